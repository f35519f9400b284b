/** Dial addresses and their tickets: what is written is read again, and nothing else is. */
import { createHash, createPublicKey } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { decodeBase32, encodeBase32 } from "../../src/internal/base32.ts"
import { DialAddress } from "../../src/index.ts"
import { formatIp } from "../../src/wire/ipAddress.ts"

const key = Uint8Array.from({ length: 32 }, (_, i) => i * 7)
const full: DialAddress.DialAddressInput = {
  publicKey: key,
  relays: ["https://relay.example.org", "http://localhost:3340/"],
  addresses: [
    { host: "192.0.2.1", port: 4433 },
    { host: "2001:db8::1", port: 65_535 }
  ]
}

const made = (input: DialAddress.DialAddressInput) => Effect.runSync(DialAddress.make(input))
const parsed = (text: string) => Effect.runSync(Effect.result(DialAddress.parse(text)))
const problemOf = (text: string): string =>
  Result.match(parsed(text), { onSuccess: () => "none", onFailure: (error) => error.message })
const refusal = (input: unknown): string =>
  Result.match(Effect.runSync(Effect.result(DialAddress.make(input as DialAddress.DialAddressInput))), {
    onSuccess: () => "none",
    onFailure: (error) => error.message
  })

const anyKey = fc.uint8Array({ minLength: 32, maxLength: 32 })
const anyAddress = fc.record({
  host: fc
    .oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }))
    .map((bytes) => formatIp(bytes)),
  port: fc.integer({ min: 1, max: 65_535 })
})
const anyInput = fc.record({
  publicKey: anyKey,
  relays: fc.uniqueArray(
    fc.webUrl({ validSchemes: ["https", "http"] }).map((url) => new URL(url).href),
    { maxLength: 8 }
  ),
  addresses: fc.array(anyAddress, { maxLength: 32 })
})
/** Those that can be made; most can. */
const anyMade = anyInput
  .map((input) => Effect.runSync(Effect.result(DialAddress.make(input))))
  .filter(Result.isSuccess)
  .map(({ success }) => success)

/** A ticket with any content, and the right check. */
const ticketOf = (content: Uint8Array): string => {
  const check = createHash("sha256").update(content).digest().subarray(0, 4)
  return `quicpeer${encodeBase32(Uint8Array.of(...content, ...check))}`
}

describe("base32", () => {
  it("is RFC 4648's with the extended hex alphabet", () => {
    const text = new TextEncoder()
    const vectors = {
      "": "",
      f: "CO",
      fo: "CPNG",
      foo: "CPNMU",
      foob: "CPNMUOG",
      fooba: "CPNMUOJ1",
      foobar: "CPNMUOJ1E8"
    }
    for (const [plain, encoded] of Object.entries(vectors))
      expect(encodeBase32(text.encode(plain))).toBe(encoded.toLowerCase())
  })

  it("has one text for each value", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(decodeBase32(encodeBase32(bytes))).toEqual(bytes)
      })
    )
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9a-v]{0,40}$/), (text) => {
        const bytes = decodeBase32(text)
        if (bytes !== undefined) expect(encodeBase32(bytes)).toBe(text)
      })
    )
    expect(decodeBase32("cp")).toBeUndefined()
    expect(decodeBase32("c")).toBeUndefined()
    expect(decodeBase32("CO")).toBeUndefined()
  })
})

describe("a dial address", () => {
  it("is made in canonical form", () => {
    const address = made(full)
    expect(address.relays).toEqual(["https://relay.example.org/", "http://localhost:3340/"])
    expect(address.addresses[1]).toEqual({ host: "2001:db8::1", port: 65_535, family: 6 })
    expect(made({ publicKey: key })).toEqual({ publicKey: key, relays: [], addresses: [] })
    const mapped = made({ publicKey: key, addresses: [{ host: "::ffff:192.0.2.1", port: 1 }] })
    expect(mapped.addresses).toEqual([{ host: "192.0.2.1", port: 1, family: 4 }])
  })

  it("names the part that is wrong", () => {
    const cases: ReadonlyArray<readonly [unknown, RegExp]> = [
      [undefined, /^options: /],
      [{}, /^publicKey: /],
      [{ publicKey: key.slice(1) }, /^publicKey: .*32 bytes/],
      [{ publicKey: "a".repeat(32) }, /^publicKey: .*Uint8Array/],
      [{ publicKey: key, relay: "https://a" }, /^relay: /],
      [{ publicKey: key, relays: "https://a" }, /^relays: /],
      [{ publicKey: key, relays: ["https://a", "ftp://a"] }, /^relays\.1: .*https/],
      [{ publicKey: key, relays: ["https://a", "https://A/"] }, /^relays: .*unique/],
      [{ publicKey: key, relays: ["https://me:secret@a"] }, /^relays\.0: .*without user/],
      [{ publicKey: key, relays: ["https://a/?b"] }, /^relays\.0: .*without \?/],
      [{ publicKey: key, relays: [`https://${"a".repeat(300)}`] }, /^relays\.0: .*255/],
      [{ publicKey: key, relays: Array.from({ length: 9 }, (_, i) => `https://a${i}`) }, /^relays: .*8/],
      [{ publicKey: key, addresses: [{ host: "example.org", port: 1 }] }, /^addresses\.0: .*IP literal/],
      [{ publicKey: key, addresses: [{ host: "192.0.2.1", port: 0 }] }, /^addresses\.0\.port: /],
      [{ publicKey: key, addresses: [{ host: "0.0.0.0", port: 1 }] }, /^addresses\.0: .*unspecified/],
      [{ publicKey: key, addresses: [{ host: "ff02::1", port: 1 }] }, /^addresses\.0: .*multicast/],
      [{ publicKey: key, addresses: [{ host: "fe80::1%eth0", port: 1 }] }, /^addresses\.0: .*link-local/],
      [
        { publicKey: key, addresses: [{ host: "192.0.2.1", port: 1, family: 6 }] },
        /^addresses\.0: .*family 4/
      ],
      [{ publicKey: key, addresses: Array(33).fill({ host: "192.0.2.1", port: 1 }) }, /^addresses: .*32/]
    ]
    for (const [input, problem] of cases) expect(refusal(input)).toMatch(problem)
  })

  it("has the PeerId of the key's SubjectPublicKeyInfo, and n0's server name", () => {
    const jwk = { kty: "OKP", crv: "Ed25519", x: Buffer.from(key).toString("base64url") }
    const spki = createPublicKey({ key: jwk, format: "jwk" }).export({ type: "spki", format: "der" })
    expect(DialAddress.peerId({ publicKey: key })).toBe(createHash("sha256").update(spki).digest("hex"))
    expect(DialAddress.serverName(key)).toMatch(/^[0-9a-v]{52}\.iroh\.invalid$/)
  })
})

describe("a ticket", () => {
  it("says all of an address, in one line, and bounded", () => {
    fc.assert(
      fc.property(anyMade, (address) => {
        const text = DialAddress.ticket(address)
        expect(text).toMatch(/^quicpeer[0-9a-v]+$/)
        expect(text.length).toBeLessThanOrEqual(4_320)
        expect(parsed(text)).toEqual(Result.succeed(address))
        expect(Effect.runSync(Schema.decodeEffect(DialAddress.FromTicket)(text))).toEqual(address)
        expect(Effect.runSync(Schema.encodeEffect(DialAddress.FromTicket)(address))).toBe(text)
      })
    )
  })

  it("at its largest is within the bound", () => {
    const address = made({
      publicKey: key,
      relays: Array.from({ length: 8 }, (_, i) => `https://a/${"b".repeat(244)}${i}`),
      addresses: Array.from({ length: 32 }, (_, i) => ({ host: "2001:db8::1", port: i + 1 }))
    })
    const text = DialAddress.ticket(address)
    expect(text.length).toBeGreaterThan(4_300)
    expect(text.length).toBeLessThanOrEqual(4_320)
    expect(parsed(text)).toEqual(Result.succeed(address))
  })

  it("survives being pasted: wrapped, indented, and in capitals", () => {
    const address = made(full)
    const text = DialAddress.ticket(address)
    const pasted = ` \t${text.toUpperCase().replaceAll(/.{20}/g, "$&\r\n  ")} \n`
    expect(parsed(pasted)).toEqual(Result.succeed(address))
  })

  it("that was damaged is refused, wherever", () => {
    const text = DialAddress.ticket(made(full))
    fc.assert(
      fc.property(
        fc.nat(text.length - 1),
        fc.constantFrom(..."0123456789abcdefghijklmnopqrstuvwxyz-"),
        (at, other) => {
          fc.pre(text[at] !== other)
          expect(Result.isFailure(parsed(text.slice(0, at) + other + text.slice(at + 1)))).toBe(true)
        }
      )
    )
    for (let length = 0; length < text.length; length++)
      expect(Result.isFailure(parsed(text.slice(0, length)))).toBe(true)
  })

  it("that is none says why, in words", () => {
    expect(problemOf("hello")).toBe("ticket: a ticket begins with quicpeer")
    expect(problemOf("quicpeer")).toBe("ticket: it is cut off")
    expect(problemOf("quicpeerxyz")).toMatch(/characters that no ticket has/)
    expect(problemOf(DialAddress.ticket(made(full)).slice(0, -8))).toMatch(/damaged or cut off/)
    expect(problemOf("x".repeat(20_000))).toMatch(/at most 16384/)
    expect(problemOf(`quicpeer${"0".repeat(6_000)}`)).toMatch(/longer than any/)
    expect(problemOf(7 as unknown as string)).toMatch(/is text/)
    expect(problemOf(ticketOf(Uint8Array.of(9, ...key, 0, 0)))).toMatch(/version 9/)
  })

  it("with a right check and false content is refused, and costs no more than its length", () => {
    const relay = new TextEncoder().encode("https://a/")
    const contents: ReadonlyArray<readonly [ReadonlyArray<number>, RegExp]> = [
      [[1, ...key], /malformed/],
      [[1, ...key, 0, 0, 0], /malformed/],
      [[1, ...key, 200, 0], /malformed/],
      [[1, ...key, 1, 200, ...relay, 0], /malformed/],
      [[1, ...key, 0, 255], /malformed/],
      [[1, ...key, 0, 1, 4, 127, 0, 0], /malformed/],
      [[1, ...key, 0, 1, 5, 127, 0, 0, 1, 1, 1], /malformed/],
      [[1, ...key, 0, 1, 4, 127, 0, 0, 1, 0, 0], /ticket\.addresses\.0\.port/],
      [[1, ...key, 0, 1, 4, 224, 0, 0, 1, 0, 1], /ticket\.addresses\.0: .*multicast/],
      [[1, ...key, 1, 1, 0x1b, 0], /ticket\.relays\.0/],
      [[1, ...key, 2, 10, ...relay, 10, ...relay, 0], /ticket\.relays: /]
    ]
    for (const [content, problem] of contents)
      expect(problemOf(ticketOf(Uint8Array.from(content)))).toMatch(problem)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const exit = Effect.runSyncExit(DialAddress.parse(ticketOf(Uint8Array.of(1, ...bytes))))
        if (Exit.isSuccess(exit))
          expect(DialAddress.ticket(exit.value)).toBe(ticketOf(Uint8Array.of(1, ...bytes)))
      })
    )
  })
})
