import type { FunctionSignature, WrappedFunctionsFromDefinitions } from "node:ffi"
import * as Result from "effect/Result"
import { Owned } from "./Owned.ts"
import { cString } from "./osslParams.ts"
import { Missing, type Native, type Pinned } from "../native.ts"

/** All arguments are pointers, integers too, as those make a call cheap. */
const definitions = {
  EVP_CIPHER_CTX_new: { return: "pointer" },
  EVP_CIPHER_CTX_free: { return: "void", arguments: ["pointer"] },
  EVP_CIPHER_fetch: { return: "pointer", arguments: ["pointer", "pointer", "pointer"] },
  EVP_CipherInit_ex2: {
    return: "int32",
    arguments: ["pointer", "pointer", "pointer", "pointer", "pointer", "pointer"]
  },
  EVP_CIPHER_CTX_set_params: { return: "int32", arguments: ["pointer", "pointer"] },
  EVP_CIPHER_CTX_get_params: { return: "int32", arguments: ["pointer", "pointer"] },
  EVP_Cipher: { return: "int32", arguments: ["pointer", "pointer", "pointer", "pointer"] },
  EVP_EncryptFinal_ex: { return: "int32", arguments: ["pointer", "pointer", "pointer"] },
  EVP_DecryptFinal_ex: { return: "int32", arguments: ["pointer", "pointer", "pointer"] }
} as const satisfies Record<string, FunctionSignature>

/** The functions of OpenSSL that are used. */
export type EvpFunctions = WrappedFunctionsFromDefinitions<typeof definitions>

const NULL = 0n
const ENCRYPT = 1n
const DECRYPT = 0n
const MAX_KEY_BYTES = 32

/** An `EVP_CIPHER`, which is kept for as long as the process lives. */
export interface Cipher {
  readonly name: string
  readonly pointer: bigint
  readonly keyBytes: number
}

/**
 * OpenSSL's EVP interface: ciphers, and contexts that keep their key from packet to packet.
 *
 * `node:crypto` makes a context for each packet, which takes ten times as long as to encrypt it.
 */
export class Evp {
  readonly native: Native
  readonly functions: EvpFunctions
  private readonly key: Pinned
  /** Kept, as a pointer alone does not keep its memory. */
  private readonly names: Array<Pinned> = []
  private readonly contexts: Owned

  private constructor(native: Native, functions: EvpFunctions) {
    this.native = native
    this.functions = functions
    this.key = native.pin(MAX_KEY_BYTES)
    this.contexts = new Owned((context) => functions.EVP_CIPHER_CTX_free(context))
  }

  static open(native: Native): Result.Result<Evp, Missing> {
    return Result.map(native.functions("OpenSSL", definitions), (functions) => new Evp(native, functions))
  }

  cipher(name: string, keyBytes: number): Result.Result<Cipher, Missing> {
    const text = cString(this.native, name)
    this.names.push(text)
    const pointer = this.functions.EVP_CIPHER_fetch(NULL, text.pointer, NULL)
    return pointer === NULL
      ? Result.fail(new Missing(name, "this OpenSSL does not have it"))
      : Result.succeed({ name, pointer, keyBytes })
  }

  /** A context that encrypts; freed by `free`, or some time after its owner has been collected. */
  context(owner: object, cipher: Cipher, key: Uint8Array): bigint {
    const { functions } = this
    // OpenSSL reads as many bytes as it needs
    if (key.length !== cipher.keyBytes)
      throw new RangeError(`${cipher.name} takes a key of ${cipher.keyBytes} bytes, not ${key.length}`)
    const context = functions.EVP_CIPHER_CTX_new()
    this.key.bytes.set(key)
    const isReady =
      context !== NULL &&
      functions.EVP_CipherInit_ex2(context, cipher.pointer, this.key.pointer, NULL, ENCRYPT, NULL) === 1
    this.key.bytes.fill(0)
    if (!isReady) {
      functions.EVP_CIPHER_CTX_free(context)
      throw new Error(`OpenSSL could not make a key of ${cipher.name}`)
    }
    this.contexts.add(owner, context)
    return context
  }

  /** Whether the context encrypts or decrypts from now on; its key stays. */
  turn(context: bigint, encrypts: boolean): void {
    this.functions.EVP_CipherInit_ex2(context, NULL, NULL, NULL, encrypts ? ENCRYPT : DECRYPT, NULL)
  }

  /** Frees the context and erases its key. */
  free(owner: object, context: bigint): void {
    this.contexts.free(owner, context)
  }
}
