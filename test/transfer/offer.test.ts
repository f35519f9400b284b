/** What an offer may hold, and what of a ticket, an offer and a request is refused. */
import * as Effect from "effect/Effect"
import fc from "fast-check"
import { sha256 } from "@noble/hashes/sha2.js"
import { describe, expect, it } from "vitest"
import * as DialAddress from "../../src/DialAddress.ts"
import {
  chunkBytesOf,
  chunkCountOf,
  chunkLength,
  HASH_BYTES,
  isChunk,
  MAX_FILE_BYTES,
  rootOf
} from "../../src/transfer/chunks.ts"
import { badPath, MAX_DEPTH, MAX_NAME_BYTES, MAX_PATH_BYTES } from "../../src/transfer/names.ts"
import {
  badEntries,
  decodeOffer,
  encodeOffer,
  MAX_ENTRIES,
  MAX_OFFER_BYTES,
  type Offer,
  type OfferEntry,
  SALT_BYTES
} from "../../src/transfer/offer.ts"
import { decodeRequest, encodeRequest, type TransferRequest } from "../../src/transfer/requests.ts"
import { addressIn, formatTicket, parseTicket } from "../../src/transfer/ticket.ts"

const salt = new Uint8Array(SALT_BYTES).fill(7)
const root = new Uint8Array(HASH_BYTES).fill(9)
const file = (path: string, size = 3): OfferEntry => ({ kind: "file", path, isExecutable: false, size, root })
const encoded = (entries: ReadonlyArray<OfferEntry>) => encodeOffer({ salt, entries })!

describe("names", () => {
  it.each([
    ["", "an empty name"],
    ["/etc/passwd", "an absolute path"],
    ["C:evil", "an absolute path"],
    ["..", "the name .."],
    ["a/../../b", "the name .."],
    ["a/./b", "the name ."],
    ["a//b", "an empty name"],
    ["a/", "an empty name"],
    ["a\\b", "a separator in a name"],
    ["a\0b", "a character that cannot be shown"],
    ["a\nb", "a character that cannot be shown"],
    ["\x1b[2J", "a character that cannot be shown"],
    ["gpj\u202eexe", "a character that cannot be shown"],
    ["lone \ud800", "a character that cannot be shown"],
    ["x".repeat(MAX_NAME_BYTES + 1), "a name of more than 255 bytes"],
    ["é".repeat(128), "a name of more than 255 bytes"],
    [
      Array(MAX_DEPTH + 1)
        .fill("d")
        .join("/"),
      "a path of more than 32 names"
    ],
    [Array(6).fill("x".repeat(200)).join("/"), "a path of more than 1024 bytes"]
  ])("refuses %j", (path, problem) => {
    expect(badPath(path)).toBe(problem)
  })

  it.each(["a", ".hidden", "..a", "a b", "日本語/ü.txt", "10:30.log", "x".repeat(MAX_NAME_BYTES)])(
    "takes %j",
    (path) => {
      expect(badPath(path)).toBeUndefined()
    }
  )

  it("takes the longest path there may be", () => {
    const path = [...Array(5).fill("x".repeat(200)), "y".repeat(MAX_PATH_BYTES - 5 * 201)].join("/")
    expect(badPath(path)).toBeUndefined()
    expect(badPath(`${path}y`)).toBe("a path of more than 1024 bytes")
  })
})

describe("an offer", () => {
  it("is read as it was written", () => {
    const offer: Offer = {
      salt,
      entries: [
        file("a/b"),
        { kind: "file", path: "run", isExecutable: true, size: 2 ** 34, root },
        { kind: "directory", path: "a/empty" }
      ]
    }
    expect(decodeOffer(encodeOffer(offer)!)).toEqual(offer)
    const stream: Offer = { salt, entries: [{ kind: "stream", path: "stdin" }] }
    expect(decodeOffer(encodeOffer(stream)!)).toEqual(stream)
  })

  it.each([
    ["no entries", [], "nothing is offered"],
    ["a name that leads out", [file("../a")], "the name .."],
    ["two files of one name", [file("a"), file("a")], "more than one file is called a"],
    ["a file that is a directory too", [file("a"), file("a/b/c")], "more than one file is called a"],
    ["a stream beside a file", [file("a"), { kind: "stream", path: "b" }], "a stream beside other files"],
    ["a file larger than any", [file("a", MAX_FILE_BYTES + 1)], `a file of more than ${MAX_FILE_BYTES} bytes`]
  ] satisfies ReadonlyArray<readonly [string, ReadonlyArray<OfferEntry>, string]>)(
    "with %s is refused on both sides",
    (_what, entries, problem) => {
      expect(badEntries(entries)).toBe(problem)
      expect(decodeOffer(encoded(entries))).toBe(problem)
    }
  )

  it("may hold a file in a directory that is named as well", () => {
    expect(badEntries([{ kind: "directory", path: "a" }, file("a/b")])).toBeUndefined()
  })

  it("has at most so many entries, whatever a count says", () => {
    const many = Array.from({ length: MAX_ENTRIES + 1 }, (_, i) => file(`${i}`))
    expect(badEntries(many.slice(1))).toBeUndefined()
    expect(badEntries(many)).toBe("more than 65536 files")
    // the count alone refuses it, before anything is read
    const lying = Uint8Array.of(...salt, 0xc0, 0, 0, 0, 0, 1, 0, 1)
    expect(decodeOffer(lying)).toBe("more than 65536 files")
    expect(decodeOffer(Uint8Array.of(...salt, 0x80, 1, 0, 0))).toBe("it is malformed")
  })

  it("has at most so many bytes", () => {
    const long = (i: number) => `${"x".repeat(250)}/${"y".repeat(250)}/${"z".repeat(200)}${i}`
    const entries = Array.from({ length: 25_000 }, (_, i) => file(long(i)))
    expect(encodeOffer({ salt, entries })).toBeUndefined()
    const fewer = encodeOffer({ salt, entries: entries.slice(0, 20_000) })!
    expect(fewer.length).toBeLessThan(MAX_OFFER_BYTES)
  })

  it("that is cut off, too long or of another kind is malformed", () => {
    const bytes = encoded([file("a"), file("b")])
    for (let length = 0; length < bytes.length; length++)
      expect(decodeOffer(bytes.subarray(0, length))).toBe("it is malformed")
    expect(decodeOffer(Uint8Array.of(...bytes, 0))).toBe("it is malformed")
    const otherKind = bytes.slice()
    otherKind[SALT_BYTES + 1] = 4
    expect(decodeOffer(otherKind)).toBe("it is malformed")
    const notUtf8 = bytes.slice()
    notUtf8[SALT_BYTES + 3] = 0xff
    expect(decodeOffer(notUtf8)).toBe("it is malformed")
  })

  it("of any bytes is an offer or a sentence", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const read = decodeOffer(bytes)
        if (typeof read !== "string") expect(badEntries(read.entries)).toBeUndefined()
      })
    )
  })
})

describe("chunks", () => {
  it("cover every size with a bounded number", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: MAX_FILE_BYTES }), (size) => {
        const count = chunkCountOf(size)
        expect(count).toBeLessThanOrEqual(65_536)
        if (count > 0) expect((count - 1) * chunkBytesOf(size) + chunkLength(size, count - 1)).toBe(size)
      })
    )
    expect(chunkCountOf(MAX_FILE_BYTES)).toBe(65_536)
  })

  it("are told from others by their hashes, and by the root alone if there is one", () => {
    const content = new Uint8Array(300_000).map((_, i) => i % 251)
    const parts = [content.subarray(0, 262_144), content.subarray(262_144)]
    const hashes = new Uint8Array([...sha256(parts[0]), ...sha256(parts[1])])
    const two = { size: content.length, root: rootOf(content.length, hashes, sha256) }
    expect(parts.map((part, i) => isChunk(two, hashes, i, part, sha256))).toEqual([true, true])
    expect(isChunk(two, hashes, 0, parts[1], sha256)).toBe(false)
    const one = { size: 5, root: rootOf(5, sha256(content.subarray(0, 5)), sha256) }
    expect(isChunk(one, new Uint8Array(0), 0, content.subarray(0, 5), sha256)).toBe(true)
    expect(isChunk(one, new Uint8Array(0), 0, content.subarray(1, 6), sha256)).toBe(false)
  })
})

describe("a request", () => {
  it("is read as it was written, and is nothing else", () => {
    const requests: ReadonlyArray<TransferRequest> = [
      { kind: "offer" },
      { kind: "hashes", entry: 70_000 },
      { kind: "content", entry: 3, chunk: 65_000 },
      { kind: "received" },
      { kind: "ping" }
    ]
    for (const request of requests) {
      const bytes = encodeRequest(request, root)
      expect(decodeRequest(bytes)).toEqual({ request, offer: root })
      expect(decodeRequest(Uint8Array.of(...bytes, 0))).toBeUndefined()
      expect(decodeRequest(bytes.subarray(0, -1))).toBeUndefined()
    }
    expect(decodeRequest(Uint8Array.of(5, ...root))).toBeUndefined()
  })
})

describe("a ticket", () => {
  const address = Effect.runSync(
    DialAddress.make({ publicKey: root, addresses: [{ host: "192.0.2.1", port: 4433 }] })
  )
  const ticket = formatTicket({ address, offer: sha256(salt) })
  const problemOf = (text: string) => Effect.runSync(Effect.flip(parseTicket(text))).message

  it("is read as it was written, also with line breaks and in capitals", () => {
    const expected = { address, offer: sha256(salt) }
    expect(Effect.runSync(parseTicket(ticket))).toEqual(expected)
    expect(
      Effect.runSync(parseTicket(` ${ticket.slice(0, 80)}\n  ${ticket.slice(80).toUpperCase()}\n`))
    ).toEqual(expected)
    expect(Effect.runSync(addressIn(ticket))).toEqual(address)
  })

  it("that is damaged says how", () => {
    expect(problemOf(ticket.slice(0, 71))).toMatch(/damaged or cut off/)
    expect(problemOf(ticket.slice(0, -1))).toMatch(/its end is damaged or cut off/)
    expect(problemOf(ticket.split(".")[0])).toMatch(/names a peer, but nothing to receive/)
    expect(problemOf(`${ticket}.x`)).toMatch(/its end is damaged/)
    expect(problemOf("hello")).toMatch(/begins with quicpeer/)
  })
})
