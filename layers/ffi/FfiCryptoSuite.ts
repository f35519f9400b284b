/**
 * `CryptoSuite` on the OpenSSL of the node binary, called by `node:ffi`: packets are sealed and opened in contexts that
 * keep their keys, in a tenth of the time that `node:crypto` takes; handshakes hash, agree on keys, sign and verify without
 * its objects. The curves P-256 and P-384 in key agreement, and signatures by other keys than those on P-256, are the node
 * suite's: there it takes as long as OpenSSL itself.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import {
  type AeadAlgorithm,
  type AeadKey,
  CryptoSuite,
  type CryptoSuiteShape,
  type HashAlgorithm,
  type HeaderKey
} from "../../src/capability/CryptoSuite.ts"
import { keyAgreement } from "../keys/keyAgreement.ts"
import { ecdhShare } from "../node/crypto/nodeKeyAgreement.ts"
import * as NodeCryptoSuite from "../node/NodeCryptoSuite.ts"
import { Evp } from "./crypto/Evp.ts"
import { type AeadDescription, FfiAead } from "./crypto/FfiAead.ts"
import { FfiHash } from "./crypto/FfiHash.ts"
import { FfiHeaderProtection } from "./crypto/FfiHeaderKey.ts"
import { FfiKeyAgreement } from "./crypto/FfiKeyAgreement.ts"
import { FfiSignatures } from "./crypto/FfiSignatures.ts"
import { aeadFault, headerFault } from "./crypto/knownAnswers.ts"
import { hashFault, keyAgreementFault, signaturesFault } from "./crypto/knownHandshakes.ts"
import { reportFallback } from "./fallback.ts"
import { Missing, Native } from "./native.ts"

/**
 * The suite, and which of its parts are the node suite's because they are missing here.
 *
 * @category models
 * @since 0.1.0
 */
export interface FfiCryptoSuite {
  /** The suite to use. */
  readonly suite: CryptoSuiteShape
  /** The parts that are the node suite's, and why. */
  readonly missing: ReadonlyArray<Missing>
}

const WHOLE_NONCE = 2n ** 64n - 1n

const aeads: { readonly [A in AeadAlgorithm]: AeadDescription } = {
  "aes-128-gcm": { cipher: "AES-128-GCM", keyBytes: 16, nonceSize: WHOLE_NONCE },
  "aes-256-gcm": { cipher: "AES-256-GCM", keyBytes: 32, nonceSize: WHOLE_NONCE },
  "chacha20-poly1305": { cipher: "ChaCha20-Poly1305", keyBytes: 32, nonceSize: 12n }
}

/** A block of ChaCha20 costs as much here as in JavaScript. */
const headers = {
  "aes-128-gcm": { cipher: "AES-128-ECB", keyBytes: 16 },
  "aes-256-gcm": { cipher: "AES-256-ECB", keyBytes: 32 }
} as const

type MakeKey<Key> = (key: Uint8Array) => Key

const makeAead = (evp: Evp, algorithm: AeadAlgorithm): Result.Result<MakeKey<AeadKey>, Missing> =>
  Result.flatMap(FfiAead.make(evp, aeads[algorithm]), (aead) => {
    const make: MakeKey<AeadKey> = (key) => aead.key(key)
    return proven(aeads[algorithm].cipher, make, () => aeadFault(evp.native, algorithm, make))
  })

const makeHeader = (
  evp: Evp,
  algorithm: keyof typeof headers
): Result.Result<MakeKey<HeaderKey>, Missing> => {
  const { cipher, keyBytes } = headers[algorithm]
  return Result.flatMap(evp.cipher(cipher, keyBytes), (found) => {
    const protection = new FfiHeaderProtection(evp, found)
    const make: MakeKey<HeaderKey> = (key) => protection.key(key)
    return proven(cipher, make, () => headerFault(algorithm, make))
  })
}

const portable = NodeCryptoSuite.suite

/** What of the suite a part does. */
type Part = Partial<CryptoSuiteShape>

const makeHashes = (native: Native): Result.Result<Part, Missing> =>
  Result.flatMap(FfiHash.open(native), (hashes) => {
    const part: Part = {
      hash: (algorithm, data) => hashes[algorithm].hash(data),
      runningHash: (algorithm) => hashes[algorithm].running(),
      hmac: (algorithm, key, data) => hashes[algorithm].hmac(key, data)
    }
    const faultOf = (algorithm: HashAlgorithm) => hashFault(algorithm, hashes[algorithm])
    return proven("hashes", part, () => faultOf("sha256") ?? faultOf("sha384") ?? faultOf("sha512"))
  })

type Sha256 = (data: Uint8Array) => Uint8Array

const makeKeyAgreement = (native: Native, sha256: Sha256): Result.Result<Part, Missing> =>
  Result.flatMap(FfiKeyAgreement.open(native), (primitives) =>
    proven("key agreement", keyAgreement({ ...primitives, ecdhShare }), () =>
      keyAgreementFault(primitives, sha256)
    )
  )

const makeSignatures = (native: Native, sha256: Sha256): Result.Result<Part, Missing> =>
  Result.flatMap(FfiSignatures.open(native, sha256, portable), (signatures) =>
    proven("signatures", { signingKey: signatures.signingKey, verify: signatures.verify }, () =>
      signaturesFault(signatures)
    )
  )

/** A part that gives the known answers. */
const proven = <A>(part: string, made: A, faultOf: () => string | undefined): Result.Result<A, Missing> =>
  Result.flatMap(Result.try({ try: faultOf, catch: (error) => new Missing(part, String(error)) }), (fault) =>
    fault === undefined ? Result.succeed(made) : Result.fail(new Missing(part, fault))
  )

/**
 * The suite by what `node:ffi` gives; what is missing there is the node suite's.
 *
 * @internal
 * @category constructors
 * @since 0.1.0
 */
export const make = (opened: Result.Result<Native, Missing>): FfiCryptoSuite => {
  if (Result.isFailure(opened)) return { suite: portable, missing: [opened.failure] }
  const native = opened.success
  const missing: Array<Missing> = []
  const orElse = <A>(made: Result.Result<A, Missing>, other: A): A =>
    Result.getOrElse(made, (fault) => {
      missing.push(fault)
      return other
    })
  const packets = orElse(
    Result.map(Evp.open(native), (evp) => makePackets(evp, missing)),
    {}
  )
  const hashes = orElse(makeHashes(native), {})
  const { hash = portable.hash } = hashes
  const sha256: Sha256 = (data) => hash("sha256", data)
  const parts = {
    ...packets,
    ...hashes,
    ...orElse(makeKeyAgreement(native, sha256), {}),
    ...orElse(makeSignatures(native, sha256), {})
  }
  const isPortable = Object.keys(parts).length === 0
  return { suite: isPortable ? portable : { ...portable, ...parts, name: "ffi" }, missing }
}

/** Packet protection, by each algorithm that is not missing. */
const makePackets = (evp: Evp, missing: Array<Missing>): Part => {
  const aeadKeys = new Map<AeadAlgorithm, MakeKey<AeadKey>>()
  const headerKeys = new Map<AeadAlgorithm, MakeKey<HeaderKey>>()
  for (const algorithm of ["aes-128-gcm", "aes-256-gcm", "chacha20-poly1305"] as const)
    Result.match(makeAead(evp, algorithm), {
      onSuccess: (make) => void aeadKeys.set(algorithm, make),
      onFailure: (fault) => void missing.push(fault)
    })
  for (const algorithm of ["aes-128-gcm", "aes-256-gcm"] as const)
    Result.match(makeHeader(evp, algorithm), {
      onSuccess: (make) => void headerKeys.set(algorithm, make),
      onFailure: (fault) => void missing.push(fault)
    })
  if (aeadKeys.size + headerKeys.size === 0) return {}
  return {
    aead: (algorithm, key) => aeadKeys.get(algorithm)?.(key) ?? portable.aead(algorithm, key),
    headerProtection: (algorithm, key) =>
      headerKeys.get(algorithm)?.(key) ?? portable.headerProtection(algorithm, key)
  }
}

let made: FfiCryptoSuite | undefined

/**
 * The suite of this process, which is made once.
 *
 * @category implementations
 * @since 0.1.0
 */
export const get = (): FfiCryptoSuite => (made ??= make(Native.open()))

/**
 * Provides `CryptoSuite` from OpenSSL by `node:ffi`, and logs a line about what the node suite does instead.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<CryptoSuite> = Layer.effect(
  CryptoSuite,
  Effect.suspend(() => {
    const { suite, missing } = get()
    return Effect.as(reportFallback(missing), suite)
  })
)
