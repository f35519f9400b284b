/**
 * Hashes and HMAC by OpenSSL's functions of SHA-2 alone, which its EVP interface is built on. FIPS 180-4, RFC 2104
 *
 * Their state is a public structure that they leave to the caller, so it can be copied as bytes and nothing has to be freed.
 */
import type { FunctionSignature, WrappedFunctionsFromDefinitions } from "node:ffi"
import * as Result from "effect/Result"
import type { HashAlgorithm, RunningHash } from "../../../src/capability/CryptoSuite.ts"
import { type Missing, type Native, size } from "../native.ts"

/** SHA-384 is SHA-512 but for how it begins, and what its state then says about how it ends. */
const definitions = {
  SHA256_Init: { return: "int32", arguments: ["pointer"] },
  SHA384_Init: { return: "int32", arguments: ["pointer"] },
  SHA512_Init: { return: "int32", arguments: ["pointer"] },
  SHA256_Update: { return: "int32", arguments: ["pointer", "pointer", "pointer"] },
  SHA512_Update: { return: "int32", arguments: ["pointer", "pointer", "pointer"] },
  SHA256_Final: { return: "int32", arguments: ["pointer", "pointer"] },
  SHA512_Final: { return: "int32", arguments: ["pointer", "pointer"] }
} as const satisfies Record<string, FunctionSignature>

type ShaFunctions = WrappedFunctionsFromDefinitions<typeof definitions>

/** The bytes of a block, of a digest, and of `SHA256_CTX` or `SHA512_CTX`. */
const lengths = {
  sha256: { block: 64, digest: 32, state: 112 },
  sha384: { block: 128, digest: 48, state: 216 },
  sha512: { block: 128, digest: 64, state: 216 }
} as const satisfies { readonly [H in HashAlgorithm]: object }

/** Larger than any state. */
const STATE_ROOM = 512
/** Input is copied and hashed in parts of this size. */
const INPUT_BYTES = 4_096
const INNER_PAD = 0x36363636
const OUTER_PAD = 0x5c5c5c5c

/**
 * One algorithm, and the memory that all its uses share: the state, a block for the padded key of HMAC, and the input, whose
 * place the digest takes. No use outlives a call.
 */
export class FfiHash {
  private readonly algorithm: HashAlgorithm
  private readonly calls: ShaFunctions
  private readonly memory: Uint8Array
  private readonly state: Uint8Array
  private readonly pad: Uint8Array
  private readonly padWords: Uint32Array
  private readonly input: Uint8Array
  private readonly digest: Uint8Array
  private readonly stateAt: bigint
  private readonly padAt: bigint
  private readonly inputAt: bigint

  private constructor(native: Native, calls: ShaFunctions, algorithm: HashAlgorithm) {
    const { block, digest, state } = lengths[algorithm]
    const inputStart = STATE_ROOM + block
    const { bytes, pointer } = native.pin(inputStart + INPUT_BYTES)
    this.algorithm = algorithm
    this.calls = calls
    this.memory = bytes
    this.state = bytes.subarray(0, state)
    this.pad = bytes.subarray(STATE_ROOM, inputStart)
    this.padWords = new Uint32Array(bytes.buffer, STATE_ROOM, block / 4)
    this.input = bytes.subarray(inputStart)
    this.digest = bytes.subarray(inputStart, inputStart + digest)
    this.stateAt = pointer
    this.padAt = pointer + BigInt(STATE_ROOM)
    this.inputAt = pointer + BigInt(inputStart)
  }

  static open(native: Native): Result.Result<{ readonly [H in HashAlgorithm]: FfiHash }, Missing> {
    return Result.map(native.functions("hashes", definitions), (f) => {
      // the record of all functions is a dictionary, slow to look things up in
      const calls: ShaFunctions = {
        SHA256_Init: f.SHA256_Init,
        SHA384_Init: f.SHA384_Init,
        SHA512_Init: f.SHA512_Init,
        SHA256_Update: f.SHA256_Update,
        SHA512_Update: f.SHA512_Update,
        SHA256_Final: f.SHA256_Final,
        SHA512_Final: f.SHA512_Final
      }
      const make = (algorithm: HashAlgorithm) => new FfiHash(native, calls, algorithm)
      return { sha256: make("sha256"), sha384: make("sha384"), sha512: make("sha512") }
    })
  }

  hash(data: Uint8Array): Uint8Array {
    this.init()
    this.add(data)
    this.final()
    return this.digest.slice()
  }

  running(): RunningHash {
    this.init()
    const state = this.state.slice()
    return {
      update: (data) => {
        this.state.set(state)
        this.add(data)
        state.set(this.state)
      },
      digest: () => {
        this.state.set(state)
        this.final()
        return this.digest.slice()
      }
    }
  }

  /** Leaves no secret in the memory it uses. */
  hmac(key: Uint8Array, data: Uint8Array): Uint8Array {
    const { digest, input, pad, padWords } = this
    const block = pad.length
    if (key.length > block) return this.hmac(this.hash(key), data)
    pad.set(key)
    for (let i = 0; i < padWords.length; i++) padWords[i] ^= INNER_PAD
    this.init()
    if (data.length <= INPUT_BYTES) {
      input.set(data)
      this.update(this.padAt, block + data.length)
    } else {
      this.update(this.padAt, block)
      this.add(data)
    }
    this.final()
    for (let i = 0; i < padWords.length; i++) padWords[i] ^= INNER_PAD ^ OUTER_PAD
    this.init()
    this.update(this.padAt, block + digest.length)
    this.final()
    const authenticator = digest.slice()
    this.memory.fill(0, 0, STATE_ROOM + block + Math.max(data.length, digest.length))
    return authenticator
  }

  /** Whether a state has turned out to be larger than it is known to be. */
  get overflows(): boolean {
    return this.memory.subarray(this.state.length, STATE_ROOM).some((byte) => byte !== 0)
  }

  private add(data: Uint8Array): void {
    for (let at = 0; at < data.length; at += INPUT_BYTES) {
      const part = data.length <= INPUT_BYTES ? data : data.subarray(at, at + INPUT_BYTES)
      this.input.set(part)
      this.update(this.inputAt, part.length)
    }
  }

  // V8 makes a plain call only of one that has always been of the same function

  private init(): void {
    const { algorithm, calls, stateAt } = this
    if (algorithm === "sha256") calls.SHA256_Init(stateAt)
    else if (algorithm === "sha384") calls.SHA384_Init(stateAt)
    else calls.SHA512_Init(stateAt)
  }

  private update(from: bigint, bytes: number): void {
    const { algorithm, calls, stateAt } = this
    if (algorithm === "sha256") calls.SHA256_Update(stateAt, from, size(bytes))
    else calls.SHA512_Update(stateAt, from, size(bytes))
  }

  private final(): void {
    const { algorithm, calls, inputAt, stateAt } = this
    if (algorithm === "sha256") calls.SHA256_Final(inputAt, stateAt)
    else calls.SHA512_Final(inputAt, stateAt)
  }
}
