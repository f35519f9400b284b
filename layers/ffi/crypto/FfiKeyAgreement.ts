/** X25519 and ML-KEM-768 on keys of OpenSSL. RFC 7748, FIPS 203 */
import type { FunctionSignature, WrappedFunctionsFromDefinitions } from "node:ffi"
import * as Result from "effect/Result"
import { type KeyShare, NamedGroup, type RandomBytes } from "../../../src/capability/CryptoSuite.ts"
import {
  CIPHERTEXT_LENGTH,
  type DecapsulationKey,
  ENCAPSULATION_KEY_LENGTH,
  type Encapsulated,
  type KeyAgreementPrimitives,
  SEED_LENGTH
} from "../../keys/keyAgreement.ts"
import { type Missing, type Native, type Pinned, size } from "../native.ts"
import { Owned } from "./Owned.ts"
import { cString, OsslParams } from "./osslParams.ts"

const definitions = {
  EVP_PKEY_new_raw_private_key_ex: {
    return: "pointer",
    arguments: ["pointer", "pointer", "pointer", "pointer", "pointer"]
  },
  EVP_PKEY_new_raw_public_key_ex: {
    return: "pointer",
    arguments: ["pointer", "pointer", "pointer", "pointer", "pointer"]
  },
  EVP_PKEY_get_raw_public_key: { return: "int32", arguments: ["pointer", "pointer", "pointer"] },
  EVP_PKEY_free: { return: "void", arguments: ["pointer"] },
  EVP_PKEY_CTX_new_from_name: { return: "pointer", arguments: ["pointer", "pointer", "pointer"] },
  EVP_PKEY_CTX_new_from_pkey: { return: "pointer", arguments: ["pointer", "pointer", "pointer"] },
  EVP_PKEY_CTX_set_params: { return: "int32", arguments: ["pointer", "pointer"] },
  EVP_PKEY_CTX_free: { return: "void", arguments: ["pointer"] },
  EVP_PKEY_keygen_init: { return: "int32", arguments: ["pointer"] },
  EVP_PKEY_keygen: { return: "int32", arguments: ["pointer", "pointer"] },
  EVP_PKEY_derive_init: { return: "int32", arguments: ["pointer"] },
  EVP_PKEY_derive_set_peer: { return: "int32", arguments: ["pointer", "pointer"] },
  EVP_PKEY_derive: { return: "int32", arguments: ["pointer", "pointer", "pointer"] },
  EVP_PKEY_encapsulate_init: { return: "int32", arguments: ["pointer", "pointer"] },
  EVP_PKEY_encapsulate: {
    return: "int32",
    arguments: ["pointer", "pointer", "pointer", "pointer", "pointer"]
  },
  EVP_PKEY_decapsulate_init: { return: "int32", arguments: ["pointer", "pointer"] },
  EVP_PKEY_decapsulate: {
    return: "int32",
    arguments: ["pointer", "pointer", "pointer", "pointer", "pointer"]
  },
  ERR_clear_error: { return: "void" }
} as const satisfies Record<string, FunctionSignature>

type KeyFunctions = WrappedFunctionsFromDefinitions<typeof definitions>

const NULL = 0n
const X25519_BYTES = 32
/** Of a shared secret, and of the randomness it is encapsulated with. */
const SECRET_BYTES = 32

/** A private key in OpenSSL's memory, until it is released. */
class PrivateKey {
  private readonly keys: Owned
  private known: bigint

  constructor(keys: Owned, pointer: bigint) {
    this.keys = keys
    this.known = pointer
    keys.add(this, pointer)
  }

  get pointer(): bigint {
    if (this.known === NULL) throw new Error("agreed with a key that has been released")
    return this.known
  }

  release(): void {
    if (this.known !== NULL) this.keys.free(this, this.known)
    this.known = NULL
  }
}

/** The memory that all keys share; no secret stays in it. */
export class FfiKeyAgreement implements Omit<KeyAgreementPrimitives, "ecdhShare"> {
  private readonly functions: KeyFunctions
  private readonly keys: Owned
  private readonly x25519: Pinned
  private readonly mlKem768: Pinned
  /** A seed or scalar, or the randomness of an encapsulation. */
  private readonly secret: Pinned
  private readonly sharedSecret: Pinned
  /** A public key or ciphertext. */
  private readonly message: Pinned
  /** Two of type `size_t`: what there is room for, then what was written. */
  private readonly written: Pinned
  /** Where a pointer to a key is written. */
  private readonly key: Pinned
  private readonly seed: OsslParams
  private readonly randomness: OsslParams

  private constructor(native: Native, functions: KeyFunctions) {
    this.functions = functions
    this.keys = new Owned((key) => functions.EVP_PKEY_free(key))
    this.x25519 = cString(native, "X25519")
    this.mlKem768 = cString(native, "ML-KEM-768")
    this.secret = native.pin(SEED_LENGTH)
    this.sharedSecret = native.pin(SECRET_BYTES)
    this.message = native.pin(ENCAPSULATION_KEY_LENGTH)
    this.written = native.pin(16)
    this.key = native.pin(8)
    const at = this.secret.pointer
    this.seed = new OsslParams(native, [{ key: cString(native, "seed"), at, bytes: size(SEED_LENGTH) }])
    this.randomness = new OsslParams(native, [
      { key: cString(native, "ikme"), at, bytes: size(SECRET_BYTES) }
    ])
  }

  static open(native: Native): Result.Result<FfiKeyAgreement, Missing> {
    return Result.map(
      native.functions("key agreement", definitions),
      (functions) => new FfiKeyAgreement(native, functions)
    )
  }

  readonly x25519Share = (random: RandomBytes): KeyShare => {
    const { functions, secret, x25519 } = this
    fill(secret, random(X25519_BYTES), X25519_BYTES)
    const pointer = functions.EVP_PKEY_new_raw_private_key_ex(
      NULL,
      x25519.pointer,
      NULL,
      secret.pointer,
      size(X25519_BYTES)
    )
    secret.bytes.fill(0)
    const key = this.own(pointer)
    return {
      group: NamedGroup.x25519,
      publicKey: this.publicBytes(key, X25519_BYTES),
      agree: (peerShare) => this.derive(key, peerShare),
      release: () => key.release()
    }
  }

  readonly decapsulationKey = (seed: Uint8Array): DecapsulationKey => {
    const { functions, mlKem768, secret } = this
    fill(secret, seed, SEED_LENGTH)
    this.key.view.setBigUint64(0, NULL, true)
    const context = functions.EVP_PKEY_CTX_new_from_name(NULL, mlKem768.pointer, NULL)
    this.used(
      context,
      functions.EVP_PKEY_keygen_init(context) === 1 &&
        functions.EVP_PKEY_CTX_set_params(context, this.seed.pointer) === 1 &&
        functions.EVP_PKEY_keygen(context, this.key.pointer) === 1
    )
    secret.bytes.fill(0)
    const key = this.own(this.key.view.getBigUint64(0, true))
    return {
      encapsulationKey: this.publicBytes(key, ENCAPSULATION_KEY_LENGTH),
      decapsulate: (ciphertext) => this.decapsulate(key, ciphertext),
      release: () => key.release()
    }
  }

  readonly encapsulate = (encapsulationKey: Uint8Array, random: RandomBytes): Encapsulated | undefined => {
    if (encapsulationKey.length !== ENCAPSULATION_KEY_LENGTH) return undefined
    const { functions, message, secret, sharedSecret, written } = this
    const randomness = random(SECRET_BYTES)
    fill(secret, randomness, SECRET_BYTES)
    const key = this.publicKey(this.mlKem768, encapsulationKey)
    const context = functions.EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL)
    this.expect(CIPHERTEXT_LENGTH, SECRET_BYTES)
    const isDone = this.used(
      context,
      key !== NULL &&
        functions.EVP_PKEY_encapsulate_init(context, this.randomness.pointer) === 1 &&
        functions.EVP_PKEY_encapsulate(
          context,
          message.pointer,
          written.pointer,
          sharedSecret.pointer,
          written.pointer + 8n
        ) === 1
    )
    functions.EVP_PKEY_free(key)
    secret.bytes.fill(0)
    const shared = this.takeSecret()
    return isDone
      ? { ciphertext: message.bytes.slice(0, CIPHERTEXT_LENGTH), sharedSecret: shared }
      : undefined
  }

  private derive(key: PrivateKey, peerShare: Uint8Array): Uint8Array | undefined {
    if (peerShare.length !== X25519_BYTES) return undefined
    const { functions, sharedSecret, written } = this
    const context = functions.EVP_PKEY_CTX_new_from_pkey(NULL, key.pointer, NULL)
    const peer = this.publicKey(this.x25519, peerShare)
    this.expect(SECRET_BYTES)
    const isDone = this.used(
      context,
      functions.EVP_PKEY_derive_init(context) === 1 &&
        functions.EVP_PKEY_derive_set_peer(context, peer) === 1 &&
        // fails if the secret is zero, RFC 8446 §7.4.2
        functions.EVP_PKEY_derive(context, sharedSecret.pointer, written.pointer) === 1
    )
    functions.EVP_PKEY_free(peer)
    const secret = this.takeSecret()
    return isDone ? secret : undefined
  }

  private decapsulate(key: PrivateKey, ciphertext: Uint8Array): Uint8Array {
    const { functions, message, sharedSecret, written } = this
    fill(message, ciphertext, CIPHERTEXT_LENGTH)
    const context = functions.EVP_PKEY_CTX_new_from_pkey(NULL, key.pointer, NULL)
    this.expect(SECRET_BYTES)
    const isDone = this.used(
      context,
      functions.EVP_PKEY_decapsulate_init(context, NULL) === 1 &&
        functions.EVP_PKEY_decapsulate(
          context,
          sharedSecret.pointer,
          written.pointer,
          message.pointer,
          size(CIPHERTEXT_LENGTH)
        ) === 1
    )
    const secret = this.takeSecret()
    if (!isDone) throw new Error("OpenSSL could not decapsulate a secret")
    return secret
  }

  private own(pointer: bigint): PrivateKey {
    if (pointer === NULL) throw new Error("OpenSSL could not make a key")
    return new PrivateKey(this.keys, pointer)
  }

  /** 0 if it is none; the caller frees it. */
  private publicKey(name: Pinned, bytes: Uint8Array): bigint {
    const { functions, message } = this
    fill(message, bytes, bytes.length)
    const key = functions.EVP_PKEY_new_raw_public_key_ex(
      NULL,
      name.pointer,
      NULL,
      message.pointer,
      size(bytes.length)
    )
    if (key === NULL) functions.ERR_clear_error()
    return key
  }

  private publicBytes(key: PrivateKey, length: number): Uint8Array {
    const { functions, message, written } = this
    this.expect(length)
    if (functions.EVP_PKEY_get_raw_public_key(key.pointer, message.pointer, written.pointer) !== 1)
      throw new Error("OpenSSL could not encode a public key")
    return message.bytes.slice(0, length)
  }

  /** How much the next function may write. */
  private expect(first: number, second = 0): void {
    this.written.view.setUint32(0, first, true)
    this.written.view.setUint32(8, second, true)
  }

  /** The context is no longer needed; errors would stay where those of TLS connections are looked for. */
  private used(context: bigint, isDone: boolean): boolean {
    this.functions.EVP_PKEY_CTX_free(context)
    if (!isDone) this.functions.ERR_clear_error()
    return isDone
  }

  private takeSecret(): Uint8Array {
    const secret = this.sharedSecret.bytes.slice()
    this.sharedSecret.bytes.fill(0)
    return secret
  }
}

/** Native code reads as many bytes as it has been told. */
const fill = (memory: Pinned, bytes: Uint8Array, length: number): void => {
  if (bytes.length !== length) throw new RangeError(`${bytes.length} bytes instead of ${length}`)
  memory.bytes.set(bytes)
}
