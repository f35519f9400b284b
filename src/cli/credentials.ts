/** Flags for the local identity and for trust in peers. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import * as Redacted from "effect/Redacted"
import { Flag } from "effect/cli"
import * as Base64 from "effect/encoding/Base64"
import { CertificateVerifier, type CertificateVerifierShape } from "../capability/CertificateVerifier.ts"
import type { CryptoSuite } from "../capability/CryptoSuite.ts"
import * as Identity from "../Identity.ts"
import type { PeerId } from "../PeerId.ts"
import * as Trust from "../Trust.ts"
import { CliHost } from "./CliHost.ts"
import { CliFailure, fail, misused } from "./report.ts"

/** How a client verifies servers; at most one of them. */
export const trustFlags = {
  ca: Flag.File("ca").pipe(
    Flag.withDescription("Trust the CA certificates in this PEM file instead of the system's"),
    Flag.optional
  ),
  pin: Flag.File("pin").pipe(
    Flag.withDescription("Trust only the certificates or public keys in this PEM file"),
    Flag.optional
  ),
  pinSha256: Flag.String("pin-sha256").pipe(
    Flag.withMetavar("HEX"),
    Flag.withDescription("Trust the key with this fingerprint, as printed by serve and keygen"),
    Flag.optional
  ),
  insecure: Flag.Boolean("insecure-accept-any-peer").pipe(
    Flag.withDescription("Trust any peer (insecure: allows interception)"),
    Flag.withDefault(false)
  )
}

interface TrustChoice {
  readonly ca: Option.Option<string>
  readonly pin: Option.Option<string>
  readonly pinSha256: Option.Option<string>
  readonly insecure: boolean
}

const publicKeys = (pem: string): ReadonlyArray<Uint8Array> =>
  [...pem.matchAll(/-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----/g)].flatMap(
    ([, body]) => Option.toArray(Option.getSuccess(Base64.decode(body.replaceAll(/\s/g, ""))))
  )

const pinnedFile = Effect.fnUntraced(function* (pem: string) {
  const { trust } = yield* CliHost
  const keys = publicKeys(pem)
  if (keys.length === 0) return yield* trust.certificates(pem)
  const raw = Trust.rawKeys(keys)
  return pem.includes("BEGIN CERTIFICATE") ? Trust.anyOf(yield* trust.certificates(pem), raw) : raw
})

const pinnedFingerprint = Effect.fnUntraced(function* (hex: string) {
  const { trust } = yield* CliHost
  const plain = hex
    .replace(/^sha256:/i, "")
    .replaceAll(":", "")
    .toLowerCase()
  return Trust.anyOf(yield* trust.keys([plain]), Trust.rawKeys([plain as PeerId]))
})

const verifierFor = Effect.fnUntraced(function* (choice: TrustChoice) {
  const { trust } = yield* CliHost
  const fs = yield* FileSystem.FileSystem
  const named = <R>(
    file: string,
    read: (pem: string) => Effect.Effect<CertificateVerifierShape, Identity.IdentityError, R>
  ) =>
    Effect.flatMap(fs.readFileString(file), (pem) =>
      Effect.catchTag(read(pem), "IdentityError", ({ message }) => fail(`${file}: ${message}`))
    )
  if (Option.isSome(choice.ca)) return yield* named(choice.ca.value, trust.authorities)
  if (Option.isSome(choice.pin)) return yield* named(choice.pin.value, pinnedFile)
  if (Option.isSome(choice.pinSha256)) return yield* pinnedFingerprint(choice.pinSha256.value)
  return yield* trust.system
})

export const layerTrust = (
  choice: TrustChoice
): Layer.Layer<
  CertificateVerifier,
  CliFailure | Identity.IdentityError | PlatformError,
  CliHost | FileSystem.FileSystem
> => {
  const given =
    [choice.ca, choice.pin, choice.pinSha256].filter(Option.isSome).length + Number(choice.insecure)
  if (given > 1)
    return Layer.effect(
      CertificateVerifier,
      misused("--ca, --pin, --pin-sha256 and --insecure-accept-any-peer exclude each other")
    )
  return choice.insecure
    ? Trust.layerInsecureAcceptsAnyPeer
    : Layer.effect(CertificateVerifier, verifierFor(choice))
}

/** For who meets no certificates: servers that never ask for one, and peers that are dialed by key. */
export const layerNoTrust = Layer.succeed(CertificateVerifier, Trust.rawKeys([]))

/** The identity of a server. */
export const identityFlags = {
  cert: Flag.File("cert").pipe(Flag.withDescription("Certificate chain (PEM), leaf first"), Flag.optional),
  key: Flag.File("key").pipe(
    Flag.withDescription("Private key (PEM) of --cert or, without it, of a raw public key"),
    Flag.optional
  )
}

/** A raw key identity from a PEM file with only a private key. */
const rawKeyFromPem = (
  pem: string
): Effect.Effect<Identity.Identity, Identity.IdentityError | CliFailure, CryptoSuite> => {
  const match = /-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END PRIVATE KEY-----/.exec(pem)
  const der = match && Option.getOrUndefined(Option.getSuccess(Base64.decode(match[1].replaceAll(/\s/g, ""))))
  return der ? Identity.rawKey(Redacted.make(der)) : fail("no -----BEGIN PRIVATE KEY----- block in it")
}

export const loadIdentity = Effect.fnUntraced(function* (given: {
  readonly cert: Option.Option<string>
  readonly key: Option.Option<string>
}) {
  const host = yield* CliHost
  const fs = yield* FileSystem.FileSystem
  if (Option.isNone(given.key)) {
    if (Option.isSome(given.cert))
      return yield* misused(`--cert ${given.cert.value} needs its private key: --key FILE`)
    return yield* host.developmentCertificate()
  }
  const key = yield* fs.readFileString(given.key.value)
  const files = Option.isSome(given.cert) ? `${given.cert.value}, ${given.key.value}` : given.key.value
  return yield* Effect.mapError(
    Option.isSome(given.cert)
      ? Identity.fromPem({ cert: yield* fs.readFileString(given.cert.value), key })
      : rawKeyFromPem(key),
    ({ message }) => new CliFailure({ message: `${files}: ${message}` })
  )
})
