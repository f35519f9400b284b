/**
 * `CryptoSuite` on the OpenSSL of the node binary, called by `node:ffi`: packets are sealed and opened in contexts that
 * keep their keys, in a tenth of the time that `node:crypto` takes. Everything else is the node suite's.
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
  type HeaderKey
} from "../../src/capability/CryptoSuite.ts"
import * as NodeCryptoSuite from "../node/NodeCryptoSuite.ts"
import { Evp } from "./crypto/Evp.ts"
import { type AeadDescription, FfiAead } from "./crypto/FfiAead.ts"
import { FfiHeaderProtection } from "./crypto/FfiHeaderKey.ts"
import { aeadFault, headerFault } from "./crypto/knownAnswers.ts"
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
export const make = (native: Result.Result<Native, Missing>): FfiCryptoSuite => {
  const portable = NodeCryptoSuite.suite
  const opened = Result.flatMap(native, (native) => Evp.open(native))
  if (Result.isFailure(opened)) return { suite: portable, missing: [opened.failure] }
  const evp = opened.success
  const missing: Array<Missing> = []
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
  const suite: CryptoSuiteShape = {
    ...portable,
    name: "ffi",
    aead: (algorithm, key) => aeadKeys.get(algorithm)?.(key) ?? portable.aead(algorithm, key),
    headerProtection: (algorithm, key) =>
      headerKeys.get(algorithm)?.(key) ?? portable.headerProtection(algorithm, key)
  }
  return { suite: aeadKeys.size + headerKeys.size === 0 ? portable : suite, missing }
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
