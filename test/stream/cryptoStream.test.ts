import { describe, expect, it } from "vitest"
import { SentFrames } from "../../src/recovery/SentFrames.ts"
import { CryptoStream, cryptoReceiveBytes } from "../../src/stream/CryptoStream.ts"
import { FrameType } from "../../src/wire/FrameType.ts"
import { ByteReader } from "../../src/wire/ByteReader.ts"
import { ByteWriter } from "../../src/wire/ByteWriter.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { TransportErrorCode } from "../../src/wire/TransportError.ts"
import { pattern } from "./streamPair.ts"
import { frameContext } from "../recovery/frameContext.ts"

/** Writes one packet's worth of CRYPTO frames; returns the sent ranges and the bytes. */
const write = (crypto: CryptoStream, level: Level, room: number) => {
  const w = new ByteWriter(new Uint8Array(room))
  const sent = new SentFrames()
  crypto.writeFrames(w, sent, frameContext({ level }))
  const records: Array<Array<number>> = []
  for (let i = 0; i < sent.length; i += 4) records.push(sent.values.slice(i, i + 4))
  return { records, bytes: w.bytes.subarray(0, w.offset) }
}

const deliver = (bytes: Uint8Array, to: CryptoStream, level: Level) => {
  const r = new ByteReader(bytes)
  while (r.remaining > 0) {
    expect(r.u8()).toBe(0x06)
    const offset = r.varint()
    const length = r.varint()
    const start = r.skip(length)
    expect(to.onCrypto(level, offset, bytes, start, start + length)).toBeUndefined()
  }
}

describe("the CRYPTO streams", () => {
  it("go on after the handshake where a buffer was freed, and take nothing twice", () => {
    const from = new CryptoStream()
    const to = new CryptoStream()
    const level = Level.OneRtt
    const send = (start: number): Uint8Array => {
      from.write(level, pattern(level, start, 300))
      const { bytes } = write(from, level, 400)
      deliver(bytes, to, level)
      return bytes
    }
    const first = send(0)
    expect(to.read(level)).toEqual(pattern(level, 0, 300))
    expect(to.read(level)).toBeUndefined()
    expect(to.hasRead(level, 300)).toBe(true)
    expect(to.hasRead(level, 301)).toBe(false)
    deliver(first, to, level)
    expect(to.read(level)).toBeUndefined()
    send(300)
    expect(to.read(level)).toEqual(pattern(level, 300, 300))
    expect(to.read(level)).toBeUndefined()
    expect(to.receiveBufferBytes).toBe(0)
  })

  // RFC 9001 §4 #1, §4.9 #1
  it("carry each level's bytes separately, in packets of any size and order", () => {
    const from = new CryptoStream()
    const to = new CryptoStream()
    for (const level of [Level.Initial, Level.Handshake, Level.OneRtt]) {
      from.write(level, pattern(level, 0, 2000))
      from.write(level, pattern(level, 2000, 100))
      const packets: Array<Uint8Array> = []
      for (let room = 30; from.hasFrames(level); room += 13) packets.push(write(from, level, room).bytes)
      for (const packet of packets.reverse()) deliver(packet, to, level)
    }
    for (const level of [Level.Initial, Level.Handshake, Level.OneRtt]) {
      expect(to.read(level)).toEqual(pattern(level, 0, 2100))
      expect(to.read(level)).toBeUndefined()
      expect(to.isDrained(level)).toBe(true)
    }
  })

  // RFC 9001 §4 #1, §4.9 #1
  it("retransmit lost bytes, and only those, until they are acknowledged", () => {
    const crypto = new CryptoStream()
    crypto.write(Level.Handshake, pattern(0, 0, 3000))
    const first = write(crypto, Level.Handshake, 1000).records[0]
    const second = write(crypto, Level.Handshake, 1000).records[0]
    write(crypto, Level.Handshake, 5000)
    expect(crypto.hasFrames(Level.Handshake)).toBe(false)
    expect(first).toEqual([FrameType.CRYPTO, Level.Handshake, 0, 996])
    crypto.onLost(FrameType.CRYPTO, Level.Handshake, first[2], first[3])
    crypto.onAcked(FrameType.CRYPTO, Level.Handshake, second[2], second[3])
    expect(write(crypto, Level.Handshake, 5000).records).toEqual([first])
    crypto.onAcked(FrameType.CRYPTO, Level.Handshake, 0, 996)
    crypto.onLost(FrameType.CRYPTO, Level.Handshake, 0, 996)
    expect(crypto.hasFrames(Level.Handshake)).toBe(false)
    expect(crypto.sendBufferBytes).toBe(3000 - second[2] - second[3])
  })

  it("start no frame in a packet with too little room", () => {
    const crypto = new CryptoStream()
    crypto.write(Level.Initial, pattern(0, 0, 500))
    for (let room = 0; room < 19; room++) expect(write(crypto, Level.Initial, room).records).toEqual([])
    expect(write(crypto, Level.Initial, 19).records).toEqual([[FrameType.CRYPTO, Level.Initial, 0, 16]])
  })

  // RFC 9000 §7.5 #1 #2
  it("accept no more than 64 KiB beyond what TLS has read", () => {
    const crypto = new CryptoStream()
    const bytes = new Uint8Array(100)
    expect(crypto.onCrypto(Level.Initial, cryptoReceiveBytes - 100, bytes, 0, 100)).toBeUndefined()
    expect(crypto.isDrained(Level.Initial)).toBe(false)
    expect(crypto.onCrypto(Level.Initial, cryptoReceiveBytes - 99, bytes, 0, 100)?.code).toBe(
      TransportErrorCode.CRYPTO_BUFFER_EXCEEDED
    )
    expect(crypto.onCrypto(Level.Initial, 2 ** 62 - 1, bytes, 0, 100)?.code).toBe(
      TransportErrorCode.CRYPTO_BUFFER_EXCEEDED
    )
    crypto.onCrypto(Level.Initial, 0, bytes, 0, 100)
    crypto.read(Level.Initial)
    expect(crypto.onCrypto(Level.Initial, cryptoReceiveBytes, bytes, 0, 100)).toBeUndefined()
  })

  it("forget a level whose keys are discarded", () => {
    const crypto = new CryptoStream()
    crypto.write(Level.Initial, pattern(0, 0, 500))
    write(crypto, Level.Initial, 300)
    crypto.onCrypto(Level.Initial, 50, new Uint8Array(10), 0, 10)
    crypto.discard(Level.Initial)
    crypto.onLost(FrameType.CRYPTO, Level.Initial, 0, 200)
    crypto.onAcked(FrameType.CRYPTO, Level.Initial, 0, 200)
    expect(crypto.hasFrames(Level.Initial)).toBe(false)
    expect(crypto.isDrained(Level.Initial)).toBe(true)
    expect(crypto.sendBufferBytes).toBe(0)
  })
})
