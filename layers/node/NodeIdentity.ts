/**
 * Generates identities for development and tests: a self-signed certificate that peers pin.
 *
 * Identities from files are made by `Identity.fromPem`, raw keys by `Identity.generateRawKey` and `Identity.rawKey`.
 *
 * **Example** (A server and a client that trusts it)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { NodeCertificateVerifier, NodeIdentity } from "effect-quic/layers/node"
 *
 * const setUp = Effect.gen(function* () {
 *   const identity = yield* NodeIdentity.developmentCertificate()
 *   const trust = NodeCertificateVerifier.layerPinnedCertificates(identity.chain)
 *   return { identity, trust }
 * })
 * ```
 *
 * @since 0.1.0
 */
import { parseIp } from "../../src/wire/ipAddress.ts"
import { toServerName } from "../../src/handshake/serverName.ts"
import { generateKeyPairSync, randomBytes, type KeyObject } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { Identity, IdentityError } from "../../src/Identity.ts"
import {
  basicConstraints,
  extendedKeyUsage,
  ExtendedKeyUsage,
  issueCertificate,
  keyUsage,
  spkiOf,
  subjectAltName
} from "./certificates/issueCertificate.ts"

/**
 * What a development certificate is valid for.
 *
 * @category options
 * @since 0.1.0
 */
export interface DevelopmentCertificateOptions {
  /** Host names (wildcards allowed) and IP literals. Default `localhost`, `127.0.0.1`, `::1`. */
  readonly hosts?: ReadonlyArray<string>
  /** Days it is valid. 1 to 825, default 14, the maximum for browsers to accept a certificate by its hash. */
  readonly days?: number
  /** Type of the key. Default `p256`, supported by every TLS stack and browser. */
  readonly keyType?: "ed25519" | "p256"
}

const dayMillis = 86_400_000
/** Valid slightly before it is issued, to tolerate clock differences. */
const backdatedMillis = 3_600_000

/**
 * Generates a key and a self-signed certificate, for a server or a client. Peers must pin it to trust it.
 *
 * **Details**
 *
 * Fails with `IdentityError`, `GenerationFailed`, for a bad option.
 *
 * @category constructors
 * @since 0.1.0
 */
export const developmentCertificate: (
  options?: DevelopmentCertificateOptions
) => Effect.Effect<Identity, IdentityError> = Effect.fnUntraced(function* (options = {}) {
  const hosts = options.hosts ?? ["localhost", "127.0.0.1", "::1"]
  const days = options.days ?? 14
  if (!Array.isArray(hosts))
    return yield* failure("hosts: an array of host names and IP addresses is required")
  if (hosts.length === 0) return yield* failure("hosts: at least one host name or IP address is required")
  const names: Array<string> = []
  for (const host of hosts) {
    const name = certificateName(host)
    if (name === undefined) return yield* failure(`hosts: "${host}" is neither a host name nor an IP address`)
    names.push(name)
  }
  if (!(days >= 1 && days <= 825)) return yield* failure(`days: ${days} is not within 1–825`)
  const notBefore = (yield* Clock.currentTimeMillis) - backdatedMillis
  return yield* Effect.try({
    try: () => {
      const key = generateKey(options.keyType ?? "p256")
      const serialNumber = new Uint8Array(randomBytes(16))
      serialNumber[0] = (serialNumber[0] & 0x7f) | 0x40 // positive, and 16 bytes long
      const certificate = issueCertificate({
        subject: hosts[0],
        issuer: hosts[0],
        serialNumber,
        notBefore: new Date(notBefore),
        notAfter: new Date(notBefore + days * dayMillis),
        key,
        issuerKey: key,
        extensions: [
          basicConstraints(false),
          keyUsage(0x80 /* digitalSignature */),
          extendedKeyUsage(ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth),
          subjectAltName(names)
        ]
      })
      const pkcs8 = new Uint8Array(key.export({ type: "pkcs8", format: "der" }))
      return new Identity("x509", [certificate], spkiOf(key), Redacted.make(pkcs8, { label: "privateKey" }))
    },
    catch: (cause) =>
      new IdentityError({
        kind: "GenerationFailed",
        message: `cannot issue a certificate: ${cause instanceof Error ? cause.message : String(cause)}`
      })
  })
})

/** What a certificate says of a host: an address as it is, a name as SNI has it; undefined when it is neither. */
const certificateName = (host: string): string | undefined => {
  if (parseIp(host) !== undefined) return host
  const wildcard = host.startsWith("*.") ? "*." : ""
  const name = toServerName(host.slice(wildcard.length))
  return name === undefined ? undefined : `${wildcard}${name}`
}

const generateKey = (keyType: "ed25519" | "p256"): KeyObject =>
  keyType === "ed25519"
    ? generateKeyPairSync("ed25519").privateKey
    : generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey

const failure = (message: string): Effect.Effect<never, IdentityError> =>
  Effect.fail(new IdentityError({ kind: "GenerationFailed", message }))
