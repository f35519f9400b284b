/** Issues certificates of every kind, valid and invalid, to test the verifier. */
import type { Role } from "../../src/wire/Role.ts"
import { generateKeyPairSync, type KeyObject } from "node:crypto"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import type { Extension } from "pkijs"
import type {
  CertificateRejected,
  CertificateVerifierShape
} from "../../src/capability/CertificateVerifier.ts"
import { DerTag, derElement } from "../../src/internal/der.ts"
import {
  basicConstraints,
  ExtendedKeyUsage,
  extendedKeyUsage,
  issueCertificate,
  keyUsage,
  subjectAltName,
  type CertificateRequest
} from "../../layers/node/certificates/issueCertificate.ts"

export const now = Date.UTC(2026, 0, 1)
export const day = 86_400_000

export interface Issued {
  readonly der: Uint8Array
  readonly name: string
  readonly key: KeyObject
}

export type KeyKind = "ed25519" | "p256" | "p384" | "p521" | "rsa" | "rsa1024" | "secp256k1"

export const digitalSignature = 0x80
export const keyCertSign = 0x04
const crlSign = 0x02

export const newKey = (kind: KeyKind = "p256"): KeyObject => {
  switch (kind) {
    case "ed25519":
      return generateKeyPairSync("ed25519").privateKey
    case "p256":
      return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey
    case "p384":
      return generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey
    case "p521":
      return generateKeyPairSync("ec", { namedCurve: "P-521" }).privateKey
    case "secp256k1":
      return generateKeyPairSync("ec", { namedCurve: "secp256k1" }).privateKey
    case "rsa":
      return generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey
    case "rsa1024":
      return generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey
  }
}

/** The SubjectPublicKeyInfo of an RSA key with its public exponent replaced. */
export const withExponent = (key: KeyObject, exponent: string): Uint8Array => {
  const modulus = Buffer.from(key.export({ format: "jwk" }).n!, "base64url")
  const numbers = derElement(
    DerTag.sequence,
    derElement(DerTag.integer, Uint8Array.of(0), modulus),
    derElement(DerTag.integer, Buffer.from(exponent, "hex"))
  )
  return derElement(
    DerTag.sequence,
    Buffer.from("300d06092a864886f70d0101010500", "hex"),
    derElement(DerTag.bitString, Uint8Array.of(0), numbers)
  )
}

let serial = 1

/** A certificate's properties that differ from the default. */
export interface Wish {
  readonly name?: string
  /** The issuer; self-signed if omitted. */
  readonly by?: Issued
  readonly key?: KeyObject
  /** Replaces the key's own SubjectPublicKeyInfo. */
  readonly spki?: Uint8Array
  readonly notBefore?: number
  readonly notAfter?: number
  readonly extensions?: ReadonlyArray<Extension>
  readonly pss?: boolean
  readonly hash?: NonNullable<CertificateRequest["hash"]>
}

const issue = (wish: Wish, name: string, days: number, extensions: ReadonlyArray<Extension>): Issued => {
  const key = wish.key ?? newKey()
  const der = issueCertificate({
    subject: wish.name ?? name,
    issuer: wish.by?.name ?? wish.name ?? name,
    serialNumber: Uint8Array.of(1, 0, serial >> 8, serial++ & 0xff),
    notBefore: new Date(wish.notBefore ?? now - day),
    notAfter: new Date(wish.notAfter ?? now + days * day),
    key,
    issuerKey: wish.by?.key ?? key,
    extensions: wish.extensions ?? extensions,
    ...(wish.spki ? { spki: wish.spki } : {}),
    ...(wish.pss ? { pss: true } : {}),
    ...(wish.hash ? { hash: wish.hash } : {})
  })
  return { der, name: wish.name ?? name, key }
}

export const caExtensions = (pathLength?: number): ReadonlyArray<Extension> => [
  basicConstraints(true, pathLength),
  keyUsage(keyCertSign | crlSign)
]

export const leafExtensions = (...hosts: ReadonlyArray<string>): ReadonlyArray<Extension> => [
  basicConstraints(false),
  keyUsage(digitalSignature),
  extendedKeyUsage(ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth),
  subjectAltName(hosts)
]

export const issueRoot = (wish: Wish = {}): Issued => issue(wish, "Test Root", 3650, caExtensions())

export const issueIntermediate = (wish: Wish): Issued => issue(wish, "Test Intermediate", 365, caExtensions())

/** A leaf for `example.org` by default. */
export const issueLeaf = (wish: Wish): Issued => issue(wish, "a leaf", 90, leafExtensions("example.org"))

export interface Verdict {
  readonly accepted: boolean
  readonly alert: number | undefined
  readonly reason: string
}

/** The verdict on a chain at the clock's time, which is set to {@link now} by default. */
export const verdictOn = (
  verifier: CertificateVerifierShape,
  chain: ReadonlyArray<Issued | Uint8Array>,
  options: {
    readonly role?: Role
    readonly serverName?: string | undefined
    readonly at?: number
  } = {}
): Effect.Effect<Verdict> =>
  Effect.gen(function* () {
    yield* TestClock.setTime(options.at ?? now)
    return yield* verifier
      .verify({
        peer: { _tag: "x509", chain: chain.map((item) => (item instanceof Uint8Array ? item : item.der)) },
        role: options.role ?? "server",
        serverName: "serverName" in options ? options.serverName : "example.org"
      })
      .pipe(Effect.match({ onSuccess: () => acceptance, onFailure: refusal }))
  })

export const acceptance: Verdict = { accepted: true, alert: undefined, reason: "" }

export const refusal = ({ alert, reason }: CertificateRejected): Verdict => ({
  accepted: false,
  alert,
  reason
})
