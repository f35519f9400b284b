/** Signatures by keys on P-256, which most certificates have, in contexts of OpenSSL that are kept. FIPS 186-5 §6 */
import type { FunctionSignature, WrappedFunctionsFromDefinitions } from "node:ffi"
import * as Result from "effect/Result"
import {
  type CryptoSuiteShape,
  SignatureScheme,
  type SigningKey
} from "../../../src/capability/CryptoSuite.ts"
import { publicKeyKind } from "../../keys/publicKey.ts"
import { Recent } from "../../../src/internal/Recent.ts"
import { type Missing, type Native, type Pinned, size, writePointer } from "../native.ts"
import { Owned } from "./Owned.ts"

const definitions = {
  d2i_AutoPrivateKey: { return: "pointer", arguments: ["pointer", "pointer", "pointer"] },
  d2i_PUBKEY: { return: "pointer", arguments: ["pointer", "pointer", "pointer"] },
  EVP_PKEY_free: { return: "void", arguments: ["pointer"] },
  EVP_PKEY_CTX_new_from_pkey: { return: "pointer", arguments: ["pointer", "pointer", "pointer"] },
  EVP_PKEY_CTX_free: { return: "void", arguments: ["pointer"] },
  EVP_PKEY_sign_init: { return: "int32", arguments: ["pointer"] },
  EVP_PKEY_sign: { return: "int32", arguments: ["pointer", "pointer", "pointer", "pointer", "pointer"] },
  EVP_PKEY_verify_init: { return: "int32", arguments: ["pointer"] },
  EVP_PKEY_verify: { return: "int32", arguments: ["pointer", "pointer", "pointer", "pointer", "pointer"] },
  ERR_clear_error: { return: "void" }
} as const satisfies Record<string, FunctionSignature>

type SignatureFunctions = WrappedFunctionsFromDefinitions<typeof definitions>

/** What signs and verifies; SHA-256 for P-256. */
export type Signatures = Pick<CryptoSuiteShape, "signingKey" | "verify">

const NULL = 0n
const P256 = SignatureScheme.ecdsa_secp256r1_sha256
const DIGEST_BYTES = 32
/** Two integers of at most 33 bytes, and the headers of three structures. */
const MAX_SIGNATURE_BYTES = 72
/** A PKCS #8 structure with the public key takes 138 bytes. */
const MAX_KEY_BYTES = 512
/** A client meets few servers, and those often. */
const KEPT_KEYS = 32

/** A key in a context of OpenSSL's, ready to sign or verify; freed when it has been collected. */
interface ReadyKey {
  readonly context: bigint
}

/** Other signatures than P-256's are those of `others`. */
export class FfiSignatures implements Signatures {
  private readonly functions: SignatureFunctions
  private readonly sha256: (data: Uint8Array) => Uint8Array
  private readonly others: Signatures
  private readonly contexts: Owned
  private readonly encoded: Pinned
  private readonly encodedAt: Pinned
  private readonly digest: Pinned
  private readonly signature: Pinned
  /** A `size_t`: what there is room for, then what was written. */
  private readonly written: Pinned
  private readonly verified = new Recent<ReadyKey>(KEPT_KEYS)

  private constructor(
    native: Native,
    functions: SignatureFunctions,
    sha256: (data: Uint8Array) => Uint8Array,
    others: Signatures
  ) {
    this.functions = functions
    this.sha256 = sha256
    this.others = others
    this.contexts = new Owned((context) => functions.EVP_PKEY_CTX_free(context))
    this.encoded = native.pin(MAX_KEY_BYTES)
    this.encodedAt = native.pin(8)
    this.digest = native.pin(DIGEST_BYTES)
    this.signature = native.pin(MAX_SIGNATURE_BYTES)
    this.written = native.pin(8)
  }

  static open(
    native: Native,
    sha256: (data: Uint8Array) => Uint8Array,
    others: Signatures
  ): Result.Result<FfiSignatures, Missing> {
    return Result.map(
      native.functions("signatures", definitions),
      (functions) => new FfiSignatures(native, functions, sha256, others)
    )
  }

  readonly signingKey = (pkcs8: Uint8Array): SigningKey | undefined => {
    const key = this.others.signingKey(pkcs8)
    if (key === undefined || !key.schemes.includes(P256)) return key
    const sign = this.signer(pkcs8)
    return sign === undefined ? key : { ...key, sign: (_scheme, data) => sign(data) }
  }

  /** What signs with a key on P-256; undefined if OpenSSL does not take it. */
  signer(pkcs8: Uint8Array): ((data: Uint8Array) => Uint8Array) | undefined {
    const { d2i_AutoPrivateKey, EVP_PKEY_sign_init } = this.functions
    const key = this.ready(pkcs8, d2i_AutoPrivateKey, EVP_PKEY_sign_init)
    return key && ((data) => this.sign(key, data))
  }

  readonly verify: Signatures["verify"] = (scheme, spki, data, signature) => {
    if (scheme !== P256) return this.others.verify(scheme, spki, data, signature)
    if (signature.length > MAX_SIGNATURE_BYTES) return false
    const name = Buffer.from(spki).toString("latin1")
    const known = this.verified.get(name)
    const key = known ?? this.publicKey(spki)
    if (key === undefined || !this.isAuthentic(key, data, signature)) return false
    if (known === undefined) this.verified.set(name, key)
    return true
  }

  private publicKey(spki: Uint8Array): ReadyKey | undefined {
    const { d2i_PUBKEY, EVP_PKEY_verify_init } = this.functions
    return publicKeyKind(spki) === "p256" ? this.ready(spki, d2i_PUBKEY, EVP_PKEY_verify_init) : undefined
  }

  private sign({ context }: ReadyKey, data: Uint8Array): Uint8Array {
    const { digest, functions, signature, written } = this
    digest.bytes.set(this.sha256(data))
    written.view.setUint32(0, MAX_SIGNATURE_BYTES, true)
    const isDone =
      functions.EVP_PKEY_sign(
        context,
        signature.pointer,
        written.pointer,
        digest.pointer,
        size(DIGEST_BYTES)
      ) === 1
    if (!isDone) throw new Error("OpenSSL could not sign")
    return signature.bytes.slice(0, written.view.getUint32(0, true))
  }

  private isAuthentic({ context }: ReadyKey, data: Uint8Array, given: Uint8Array): boolean {
    const { digest, functions, signature } = this
    digest.bytes.set(this.sha256(data))
    signature.bytes.set(given)
    const isAuthentic =
      functions.EVP_PKEY_verify(
        context,
        signature.pointer,
        size(given.length),
        digest.pointer,
        size(DIGEST_BYTES)
      ) === 1
    // errors would stay where those of TLS connections are looked for
    if (!isAuthentic) functions.ERR_clear_error()
    return isAuthentic
  }

  /** Undefined if OpenSSL does not take the key. */
  private ready(
    bytes: Uint8Array,
    decode: SignatureFunctions["d2i_PUBKEY"],
    init: SignatureFunctions["EVP_PKEY_sign_init"]
  ): ReadyKey | undefined {
    const { contexts, encoded, encodedAt, functions } = this
    if (bytes.length > MAX_KEY_BYTES) return undefined
    encoded.bytes.set(bytes)
    // it is moved to the end of what was read
    writePointer(encodedAt, 0, encoded)
    const key = decode(NULL, encodedAt.pointer, size(bytes.length))
    encoded.bytes.fill(0)
    const context = key === NULL ? NULL : functions.EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL)
    // the context has a reference of its own
    functions.EVP_PKEY_free(key)
    if (context === NULL || init(context) !== 1) {
      functions.EVP_PKEY_CTX_free(context)
      functions.ERR_clear_error()
      return undefined
    }
    const ready = { context }
    contexts.add(ready, context)
    return ready
  }
}
