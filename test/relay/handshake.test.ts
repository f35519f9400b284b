/** Proofs of a key at a relay: what passes, and what does not. */
import { createHash } from "node:crypto"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as Handshake from "../../src/relay/handshake.ts"
import { suite } from "../io.ts"
import { testIdentity } from "./identities.ts"

const alice = testIdentity(1)
const mallory = testIdentity(2)

describe("a challenge", () => {
  const challenge = Uint8Array.from({ length: 16 }, (_, i) => i)
  const signature = Handshake.signChallenge(alice, challenge)

  it("is answered by the holder of the key alone", () => {
    expect(Handshake.verifyChallenge(suite, alice.publicKey, challenge, signature)).toBe(true)
    expect(Handshake.verifyChallenge(suite, mallory.publicKey, challenge, signature)).toBe(false)
    const claimed = Handshake.signChallenge(mallory, challenge)
    expect(Handshake.verifyChallenge(suite, alice.publicKey, challenge, claimed)).toBe(false)
  })

  it("is answered once: the signature fits no other, and the challenge itself is not what is signed", () => {
    const next = challenge.map((byte) => byte ^ 1)
    expect(Handshake.verifyChallenge(suite, alice.publicKey, next, signature)).toBe(false)
    expect(Handshake.verifyChallenge(suite, alice.publicKey, challenge, alice.sign(challenge))).toBe(false)
  })
})

describe("the header", () => {
  /** What a TLS connection would export, told apart by its number. */
  const connection =
    (number: number): Handshake.Exporter =>
    (label, context, length) =>
      createHash("sha256").update(`${number}${label}`).update(context).digest().subarray(0, length)
  const exported = (number: number, key: Uint8Array): Uint8Array =>
    connection(number)(Handshake.EXPORTER_LABEL, key, Handshake.EXPORTED_BYTES)!
  const verdict = (value: string | undefined, exporter = connection(7)) =>
    Handshake.verifyAuthHeader(suite, value, exporter)
  const header = Handshake.authHeader(alice, exported(7, alice.publicKey))

  it("proves the key on the connection it was made for", () => {
    expect(verdict(header)).toEqual({ _tag: "proven", publicKey: alice.publicKey })
  })

  it("replayed on another connection, or where TLS ends before, proves nothing: a challenge follows", () => {
    expect(verdict(header, connection(8))).toEqual({ _tag: "challenge" })
    expect(verdict(header, () => undefined)).toEqual({ _tag: "challenge" })
  })

  it("for this connection with another's key is forged", () => {
    const claims = { publicKey: alice.publicKey, sign: mallory.sign }
    expect(verdict(Handshake.authHeader(claims, exported(7, alice.publicKey)))).toEqual({ _tag: "forged" })
  })

  it("that cannot be read proves nothing, whatever it is", () => {
    for (const value of [
      undefined,
      "",
      "é".repeat(151),
      `${header}A`,
      header.slice(1),
      `=${header.slice(1)}`
    ])
      expect(verdict(value)).toEqual({ _tag: "challenge" })
    fc.assert(
      fc.property(fc.nat(header.length - 1), fc.nat(255), (at, code) => {
        const changed = header.slice(0, at) + String.fromCharCode(code) + header.slice(at + 1)
        // the last character has bits that are in no byte
        const isSame = changed.slice(0, -1) === header.slice(0, -1)
        if (!isSame) expect(verdict(changed)._tag).not.toBe("proven")
      }),
      { numRuns: 300 }
    )
  })
})
