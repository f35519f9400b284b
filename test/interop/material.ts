/** Files for a run: CAs and certificates, raw keys, and payloads. */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes } from "node:crypto"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import {
  basicConstraints,
  extendedKeyUsage,
  ExtendedKeyUsage,
  issueCertificate,
  keyUsage,
  subjectAltName
} from "../../layers/node/certificates/issueCertificate.ts"
import * as Identity from "../../src/Identity.ts"
import type { Credential, Payload } from "./Peer.ts"
import { LiveCryptoSuite } from "../io.ts"

/** The name in every certificate. */
export const serverName = "localhost"

/** 10 MB. */
const bulkBytes = 10_000_000
/** Large enough that something can happen during the transfer. */
const mediumBytes = 2_000_000
const smallBytes = 1_000

type Trio = {
  readonly server: Credential
  readonly client: Credential
  /** Not trusted by anyone; a connection with it means a failure to verify. */
  readonly stranger: Credential
}

export interface Material {
  readonly directory: string
  /** The payloads' directory. */
  readonly documents: string
  readonly credentials: Readonly<Record<Credential["kind"], Trio>>
  readonly payloads: Readonly<Record<"small" | "medium" | "up" | "down", Payload>>
}

const days = (n: number) => new Date(Date.now() + n * 86_400_000)

const serialNumber = () => {
  const bytes = new Uint8Array(randomBytes(16))
  bytes[0] = (bytes[0] & 0x3f) | 0x40
  return bytes
}

/** A certificate for `localhost` with its own CA: some TLS stacks do not accept a leaf as a trust anchor. */
const issueX509 = Effect.fnUntraced(function* (directory: string, name: string) {
  const authorityKey = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey
  const key = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey
  const issuer = `effect-quic interop authority of the ${name}`
  const dates = { notBefore: days(-1), notAfter: days(7), issuer, issuerKey: authorityKey }
  const authority = issueCertificate({
    ...dates,
    subject: issuer,
    serialNumber: serialNumber(),
    key: authorityKey,
    extensions: [basicConstraints(true), keyUsage(0x06 /* keyCertSign, cRLSign */)]
  })
  const leaf = issueCertificate({
    ...dates,
    subject: serverName,
    serialNumber: serialNumber(),
    key,
    extensions: [
      basicConstraints(false),
      keyUsage(0x80 /* digitalSignature */),
      extendedKeyUsage(ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth),
      subjectAltName([serverName, "127.0.0.1"])
    ]
  })
  const identity = yield* Identity.fromDer({
    chain: [leaf],
    privateKey: new Uint8Array(key.export({ type: "pkcs8", format: "der" }))
  })
  const pem = (what: string, text: string) => {
    const file = join(directory, `${name}-${what}.pem`)
    writeFileSync(file, text)
    return file
  }
  return {
    kind: "x509",
    identity,
    authority,
    certFile: pem("cert", Identity.publicPem(identity)),
    keyFile: pem("key", Redacted.value(Identity.privateKeyPem(identity))),
    authorityFile: pem(
      "authority",
      `-----BEGIN CERTIFICATE-----\n${Buffer.from(authority).toString("base64")}\n-----END CERTIFICATE-----\n`
    )
  } satisfies Credential
})

const generateRawKey = Effect.fnUntraced(function* () {
  const pkcs8 = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "der" })
  const key = createPrivateKey({ key: pkcs8, type: "pkcs8", format: "der" })
  const hex = (base64url = "") => Buffer.from(base64url, "base64url").toString("hex")
  return {
    kind: "rawPublicKey",
    identity: yield* Identity.rawKey(new Uint8Array(pkcs8)),
    secretHex: hex(key.export({ format: "jwk" }).d),
    publicHex: hex(createPublicKey(key).export({ format: "jwk" }).x)
  } satisfies Credential
})

/** Random bytes, in a file of that name. */
export const makePayload = (directory: string, name: string, length: number): Payload => {
  const bytes = new Uint8Array(randomBytes(length))
  const file = join(directory, `${name}.bin`)
  writeFileSync(file, bytes)
  return { name, file, bytes, sha256: createHash("sha256").update(bytes).digest("hex") }
}

/** Creates everything in a temporary directory that is removed with the scope. */
export const make = Effect.gen(function* () {
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-quic-interop-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  // separate from the private keys, since an HTTP server serves all of it
  const documents = join(directory, "documents")
  mkdirSync(documents)
  return {
    directory,
    documents,
    credentials: {
      x509: {
        server: yield* issueX509(directory, "server"),
        client: yield* issueX509(directory, "client"),
        stranger: yield* issueX509(directory, "stranger")
      },
      rawPublicKey: {
        server: yield* generateRawKey(),
        client: yield* generateRawKey(),
        stranger: yield* generateRawKey()
      }
    },
    payloads: {
      small: makePayload(documents, "small", smallBytes),
      medium: makePayload(documents, "medium", mediumBytes),
      up: makePayload(documents, "up", bulkBytes),
      down: makePayload(documents, "down", bulkBytes)
    }
  } satisfies Material
}).pipe(Effect.provide(LiveCryptoSuite.layer))
