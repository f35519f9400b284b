/** What OpenSSL must answer before its hashes, its key agreement and its signatures are used, as in `knownAnswers.ts`. */
import { type HashAlgorithm, type KeyShare, SignatureScheme } from "../../../src/capability/CryptoSuite.ts"
import type { KeyAgreementPrimitives } from "../../keys/keyAgreement.ts"
import type { FfiHash } from "./FfiHash.ts"
import type { FfiSignatures } from "./FfiSignatures.ts"
import { equal, hex } from "./knownAnswers.ts"

const ascii = (text: string): Uint8Array => Buffer.from(text, "latin1")

/** Of "abc", FIPS 180-4; RFC 4231 §4.2; §4.7, whose key is longer than a block. */
const digests: {
  readonly [H in HashAlgorithm]: { readonly abc: string; readonly hiThere: string; readonly longKey: string }
} = {
  sha256: {
    abc: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    hiThere: "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    longKey: "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
  },
  sha384: {
    abc: "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
    hiThere:
      "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
    longKey:
      "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952"
  },
  sha512: {
    abc:
      "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a" +
      "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    hiThere:
      "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde" +
      "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
    longKey:
      "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352" +
      "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"
  }
}

/** Why the hash must not be used. */
export const hashFault = (algorithm: HashAlgorithm, hash: FfiHash): string | undefined => {
  const { abc, hiThere, longKey } = digests[algorithm]
  const running = hash.running()
  running.update(ascii("a"))
  running.digest()
  const text = ascii("Test Using Larger Than Block-Size Key - Hash Key First")
  const isRight =
    equal(hash.hmac(new Uint8Array(20).fill(0x0b), ascii("Hi There")), hex(hiThere)) &&
    equal(hash.hmac(new Uint8Array(131).fill(0xaa), text), hex(longKey)) &&
    equal(hash.hash(ascii("abc")), hex(abc))
  if (!isRight) return `what it computes by ${algorithm} is wrong`
  running.update(ascii("bc"))
  if (!equal(running.digest(), hex(abc))) return `${algorithm} does not go on from a copy`
  return hash.overflows ? `the state of ${algorithm} is larger than it should be` : undefined
}

/** RFC 8448 §3 */
const x25519 = {
  scalar: "49af42ba7f7994852d713ef2784bcbcaa7911de26adc5642cb634540e7ea5005",
  publicKey: "99381de560e4bd43d23d8e435a7dbafeb3c06e51c13cae4d5413691e529aaf2c",
  peer: "c9828876112095fe66762bdbf7c672e156d6cc253b833df1dd69b1b04e751f0f",
  secret: "8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d"
}

/** Of the seed 0, 1, … 63 and the randomness 64, 65, … 95, by noble; `rejected` of a ciphertext whose byte 17 is forged. */
const mlKem768 = {
  publicKeySha256: "0b7934c83125c788995e2ba6bd761e33046b3e40571be53e023309a29f398cc9",
  ciphertextSha256: "dbf4e9aa48b078ad46ec1c9c47bda8c2d2fec9d0e7a21bd48d2238a2abedb856",
  secret: "9cddd089ffe70e3996e76f7c8d06746df34d07e8657bc0fcf2bb0e1c3084aea1",
  rejected: "e21c9244cd7574ff42f92f20e22b06b2bf3329c4623ce6df410f4c59882488cc"
}

const from = (first: number, length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => first + i)

type Sha256 = (data: Uint8Array) => Uint8Array

/** Why the key agreement must not be used. */
export const keyAgreementFault = (
  { decapsulationKey, encapsulate, x25519Share }: Omit<KeyAgreementPrimitives, "ecdhShare">,
  sha256: Sha256
): string | undefined => {
  const share = x25519Share(() => hex(x25519.scalar))
  const key = decapsulationKey(from(0, 64))
  try {
    return x25519Fault(share) ?? mlKemFault(key, encapsulate, sha256)
  } finally {
    share.release?.()
    key.release?.()
  }
}

const x25519Fault = ({ agree, publicKey }: KeyShare): string | undefined => {
  if (!equal(publicKey, hex(x25519.publicKey))) return "the public key of X25519 is wrong"
  const secret = agree(hex(x25519.peer))
  if (secret === undefined || !equal(secret, hex(x25519.secret))) return "what X25519 agrees on is wrong"
  return agree(new Uint8Array(32)) === undefined ? undefined : "X25519 agrees on zero"
}

const mlKemFault = (
  { decapsulate, encapsulationKey }: ReturnType<KeyAgreementPrimitives["decapsulationKey"]>,
  encapsulate: KeyAgreementPrimitives["encapsulate"],
  sha256: Sha256
): string | undefined => {
  if (!equal(sha256(encapsulationKey), hex(mlKem768.publicKeySha256)))
    return "the public key of ML-KEM-768 is wrong"
  const given = encapsulate(encapsulationKey, () => from(64, 32))
  if (
    given === undefined ||
    !equal(sha256(given.ciphertext), hex(mlKem768.ciphertextSha256)) ||
    !equal(given.sharedSecret, hex(mlKem768.secret))
  )
    return "what ML-KEM-768 encapsulates is wrong"
  if (!equal(decapsulate(given.ciphertext), given.sharedSecret))
    return "what ML-KEM-768 decapsulates is wrong"
  given.ciphertext[17] ^= 1
  if (!equal(decapsulate(given.ciphertext), hex(mlKem768.rejected))) return "ML-KEM-768 takes what is forged"
  // a coefficient not below q
  encapsulationKey.fill(0xff, 0, 3)
  return encapsulate(encapsulationKey, () => from(64, 32)) && "ML-KEM-768 takes keys that are none"
}

/** RFC 6979 §A.2.5: the key as PKCS #8 and SubjectPublicKeyInfo, and a signature of "sample". */
const p256 = {
  pkcs8:
    "3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420" +
    "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721",
  spki:
    "3059301306072a8648ce3d020106082a8648ce3d03010703420004" +
    "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6" +
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
  signature:
    "3046022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716" +
    "022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
}

/** Why the signatures must not be used. */
export const signaturesFault = (signatures: FfiSignatures): string | undefined => {
  const sample = ascii("sample")
  const isAuthentic = (data: Uint8Array, signature: Uint8Array): boolean =>
    signatures.verify(SignatureScheme.ecdsa_secp256r1_sha256, hex(p256.spki), data, signature)
  const signature = hex(p256.signature)
  if (!isAuthentic(sample, signature)) return "it does not verify what is authentic"
  if (isAuthentic(ascii("simple"), signature)) return "it verifies other data"
  signature[40] ^= 1
  if (isAuthentic(sample, signature)) return "it verifies what is forged"
  const sign = signatures.signer(hex(p256.pkcs8))
  return sign && isAuthentic(sample, sign(sample)) ? undefined : "what it signs is wrong"
}
