/** Hashes, key agreement and signatures by node:ffi: vectors, hostile lengths, what is left in memory, what is missing. */
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import * as FfiCryptoSuite from "../../layers/ffi/FfiCryptoSuite.ts"
import type { Pinned } from "../../layers/ffi/native.ts"
import { suite as node } from "../../layers/node/NodeCryptoSuite.ts"
import { NamedGroup, SignatureScheme } from "../../src/capability/CryptoSuite.ts"
import { identity, shake } from "../handshake/TlsPair.ts"
import { flipped, seeded } from "../protect/bytes.ts"
import { collected } from "./collected.ts"
import { brokenNative, native } from "./brokenNative.ts"
import { compareHandshakes, type Comparison } from "./randomHandshakes.ts"

const { suite: ffi } = FfiCryptoSuite.get()
const p256 = SignatureScheme.ecdsa_secp256r1_sha256

const parts = ["hash", "hmac", "running hash", "public key", "answer", "answer, none", "agreed secret"]
const others = ["agreed secret, none", "signature", "forged signature, refused", "signing key, none"]

const expectAll = ({ counts, differences }: Comparison, least: number): void => {
  expect(differences).toEqual([])
  for (const part of [...parts, ...others]) expect(counts[part], part).toBeGreaterThan(least)
}

describe("what handshakes ask of the ffi suite", () => {
  it("is answered like the node suite does, honest or hostile, whatever the lengths", () => {
    expectAll(compareHandshakes(400, "1"), 30)
  })

  it("harms no process that may do nothing else", () => {
    const root = fileURLToPath(new URL("../..", import.meta.url))
    const flags = ["--no-warnings", "--permission", "--allow-ffi", `--allow-fs-read=${root}`]
    const { signal, status, stderr, stdout } = spawnSync(
      process.execPath,
      [...flags, fileURLToPath(new URL("randomHandshakes.ts", import.meta.url)), "200", "nonsense"],
      { encoding: "utf8", timeout: 60_000 }
    )
    expect({ signal, status, stderr }).toEqual({ signal: null, status: 0, stderr: "" })
    expectAll(JSON.parse(stdout), 15)
  })

  it("is refused if it is of the wrong length, before native code sees it", () => {
    const short = (length: number) => new Uint8Array(length - 1)
    expect(() => ffi.keyShare(NamedGroup.x25519, short)).toThrow(new RangeError("31 bytes instead of 32"))
    expect(() => ffi.keyShare(NamedGroup.x25519MlKem768, short)).toThrow(RangeError)
    const { publicKey } = ffi.keyShare(NamedGroup.x25519MlKem768, seeded(1))
    expect(() => ffi.respond(NamedGroup.x25519MlKem768, publicKey, short)).toThrow(RangeError)
    const key = ffi.signingKey(ffi.generateSigningKey("p256", seeded(3)))!
    for (const length of [73, 512, 513, 100_000])
      expect(ffi.verify(p256, key.spki, new Uint8Array(1), new Uint8Array(length))).toBe(false)
    for (const length of [513, 100_000])
      expect(ffi.verify(p256, new Uint8Array(length), new Uint8Array(1), new Uint8Array(70))).toBe(false)
  })

  it("leaves no error where node:tls would look for its own", () => {
    const { ERR_peek_error } = Result.getOrThrow(
      native.functions("errors", { ERR_peek_error: { return: "pointer" } })
    )
    const share = ffi.keyShare(NamedGroup.x25519, seeded(1))
    expect(share.agree(new Uint8Array(32))).toBeUndefined()
    expect(ERR_peek_error()).toBe(0n)
    const hybrid = Uint8Array.from(ffi.keyShare(NamedGroup.x25519MlKem768, seeded(1)).publicKey).fill(
      255,
      0,
      3
    )
    expect(ffi.respond(NamedGroup.x25519MlKem768, hybrid, seeded(2))).toBeUndefined()
    expect(ERR_peek_error()).toBe(0n)
    const key = ffi.signingKey(ffi.generateSigningKey("p256", seeded(3)))!
    const signature = key.sign(p256, new Uint8Array(1))
    for (const forged of [flipped(signature, 0), flipped(signature, 20), new Uint8Array(0)])
      expect(ffi.verify(p256, key.spki, new Uint8Array(1), forged)).toBe(false)
    expect(ffi.verify(p256, flipped(key.spki, 60), new Uint8Array(1), signature)).toBe(false)
    expect(ERR_peek_error()).toBe(0n)
  })
})

/** Counts the calls of a function. */
const counting = (name: string) => {
  const count = { calls: 0 }
  const counted = brokenNative(name, (right) => (...args: ReadonlyArray<bigint>) => {
    count.calls++
    return right(...args)
  })
  return { count, ...FfiCryptoSuite.make(Result.succeed(counted)) }
}

describe("the private key of a share", () => {
  it("is freed once, with all of a hybrid, and agrees on nothing then", () => {
    const { count, suite } = counting("EVP_PKEY_free")
    const hybrid = suite.keyShare(NamedGroup.x25519MlKem768, seeded(1))
    const answer = node.respond(NamedGroup.x25519MlKem768, hybrid.publicKey, seeded(2))!
    expect(hybrid.agree(answer.publicKey)).toEqual(answer.secret)
    count.calls = 0
    for (const share of [hybrid.classical!, hybrid, hybrid]) share.release!()
    expect(count.calls).toBe(2)
    expect(() => hybrid.agree(answer.publicKey)).toThrow("a key that has been released")
    expect(() => hybrid.classical!.agree(answer.publicKey.subarray(-32))).toThrow("has been released")
  })

  it("is freed by both sides of a handshake as soon as they have agreed", () => {
    const frees = counting("EVP_PKEY_free")
    const { suite } = frees
    const me = identity("p256", "x509", { ...suite, name: "counted" })
    frees.count.calls = 0
    const { client } = shake({ client: { suite }, server: { suite, selectIdentity: () => me } })
    expect(client.facts).toBeDefined()
    // the client's two and the server's X25519; of their peers two of X25519 and one of ML-KEM; the certificate's
    expect(frees.count.calls).toBe(7)
  })

  it("is freed when a share that nobody released has been collected", async () => {
    const { count, suite } = counting("EVP_PKEY_free")
    const make = (times: number): void => {
      for (let i = 0; i < times; i++) suite.keyShare(NamedGroup.x25519, seeded(i))
    }
    make(100)
    count.calls = 0
    await collected(() => count.calls > 0)
    expect(count.calls).toBeGreaterThan(90)
  })
})

it("a signing key's context is freed when the key has been collected", async () => {
  const { count, suite } = counting("EVP_PKEY_CTX_free")
  const make = (times: number): void => {
    for (let i = 0; i < times; i++) suite.signingKey(suite.generateSigningKey("p256", seeded(i)))
  }
  make(50)
  count.calls = 0
  await collected(() => count.calls > 0)
  expect(count.calls).toBeGreaterThan(40)
})

it("no secret stays in the memory that native code was given", () => {
  const pinned: Array<Pinned> = []
  const watched = new Proxy(native, {
    get: (_, key) => {
      const value: unknown = Reflect.get(native, key, native)
      if (typeof value !== "function") return value
      return (...args: ReadonlyArray<unknown>) => {
        const result: unknown = value.apply(native, args)
        if (key === "pin") pinned.push(result as Pinned)
        return result
      }
    }
  })
  const { missing, suite } = FfiCryptoSuite.make(Result.succeed(watched))
  expect(missing).toEqual([])
  const drawn: Array<Uint8Array> = []
  const random = (length: number): Uint8Array => {
    const bytes = seeded(drawn.length)(length)
    drawn.push(bytes)
    return bytes
  }
  const share = suite.keyShare(NamedGroup.x25519MlKem768, random)
  const answer = suite.respond(NamedGroup.x25519MlKem768, share.publicKey, random)!
  const agreed = share.agree(answer.publicKey)!
  const pkcs8 = suite.generateSigningKey("p256", random)
  suite.signingKey(pkcs8)!.sign(p256, new Uint8Array(10))
  const secrets = [...drawn, answer.secret, agreed, suite.hmac("sha256", agreed, answer.secret)]
  expect(pinned.length).toBeGreaterThan(20)
  for (const { bytes } of pinned)
    for (const secret of secrets)
      for (const part of [secret.subarray(0, 16), secret.subarray(-16)])
        expect(Buffer.from(bytes.buffer).includes(part)).toBe(false)
})

describe("a part that does not give the known answers", () => {
  const without = (name: string, wrong: Parameters<typeof brokenNative>[1]) => {
    const { missing, suite } = FfiCryptoSuite.make(Result.succeed(brokenNative(name, wrong)))
    return { missing: missing.map(({ what, why }) => `${what}: ${why}`), suite }
  }

  it("is the node suite's, and the others are not", () => {
    const { missing, suite } = without("SHA512_Update", () => () => 1)
    expect(missing).toEqual(["hashes: what it computes by sha384 is wrong"])
    expect([suite.hash, suite.hmac, suite.runningHash]).toEqual([node.hash, node.hmac, node.runningHash])
    expect(suite.keyShare(NamedGroup.x25519, seeded(1)).release).toBeDefined()
    expect(suite.verify).not.toBe(node.verify)
    const keys = without("EVP_PKEY_keygen", () => () => 0).suite
    expect(keys.keyShare).toBe(node.keyShare)
    expect(keys.hash).not.toBe(node.hash)
    const { verify, signingKey } = without("EVP_PKEY_sign", () => () => 0).suite
    expect({ verify, signingKey }).toEqual({ verify: node.verify, signingKey: node.signingKey })
  })

  it.each([
    // writes behind its state
    [
      "SHA256_Init",
      (init: (state: bigint) => unknown) => (state: bigint) => {
        native.foreign(state + 150n, 1)[0] = 1
        return init(state)
      },
      "hashes: the state of sha256 is larger than it should be"
    ],
    ["EVP_PKEY_derive", () => () => 1, "key agreement: what X25519 agrees on is wrong"],
    ["EVP_PKEY_CTX_set_params", () => () => 1, "key agreement: the public key of ML-KEM-768 is wrong"],
    ["EVP_PKEY_decapsulate", () => () => 1, "key agreement: what ML-KEM-768 decapsulates is wrong"],
    [
      "EVP_PKEY_encapsulate_init",
      (init: (...args: ReadonlyArray<bigint>) => unknown) => (context: bigint) => init(context, 0n),
      "key agreement: what ML-KEM-768 encapsulates is wrong"
    ],
    ["EVP_PKEY_verify", () => () => 1, "signatures: it verifies other data"],
    ["EVP_PKEY_verify", () => () => 0, "signatures: it does not verify what is authentic"],
    ["EVP_PKEY_sign", () => () => 1, "signatures: what it signs is wrong"]
  ] as const)("is noticed by a wrong %s", (name, wrong, what) => {
    expect(without(name, wrong as never).missing).toEqual([what])
  })
})
