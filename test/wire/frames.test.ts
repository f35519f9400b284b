import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { AckFrame, MAX_ACK_RANGES } from "../../src/wire/AckFrame.ts"
import { ByteWriter, MAX_VARINT } from "../../src/wire/ByteWriter.ts"
import { FrameDecoder } from "../../src/wire/FrameDecoder.ts"
import { FrameExtension } from "../../src/wire/FrameType.ts"
import * as write from "../../src/wire/frameWriters.ts"
import { PacketType } from "../../src/wire/PacketType.ts"
import { fromHex, RecordingSink, toHex } from "./recordingSink.ts"
import { someFrame, someFrames } from "./someFrames.ts"

const newDecoder = () => new FrameDecoder("either", FrameExtension.all)

/** The sink calls for `frames` decoded from the middle of a buffer. */
const passThrough = (
  writers: ReadonlyArray<(w: ByteWriter) => void>,
  decoder = newDecoder()
): RecordingSink => {
  const w = new ByteWriter(new Uint8Array(20_000).fill(0xa5), 7)
  for (const write of writers) write(w)
  const sink = new RecordingSink()
  expect(decoder.decode(w.bytes, 7, w.offset, PacketType.OneRtt, sink)).toBeUndefined()
  return sink
}

describe("every frame", () => {
  // RFC 9000 §19.3
  it.each(Object.entries(someFrame))("%s survives a round trip", (name, frame) => {
    fc.assert(
      fc.property(frame, ({ write, heard }) => {
        const { frames } = passThrough([(w) => w.u8(1), write]) // follows a PING, so that padding may be empty
        expect(frames).toEqual(name === "PADDING" ? [["PING"]] : [["PING"], heard])
      })
    )
  })

  it("is delivered in packet order", () => {
    const decoder = newDecoder() // one decoder for all runs, to catch leftover state
    fc.assert(
      fc.property(someFrames, (frames) => {
        const heard = frames.map((frame) => frame.heard).filter(([name]) => name !== "PADDING")
        const sink = passThrough([(w) => w.u8(0), ...frames.map((frame) => frame.write)], decoder)
        expect(sink.frames).toEqual(heard)
      })
    )
  })

  it("takes as many bytes as its size function says", () => {
    const size = (writeIt: (w: ByteWriter) => void): number => {
      const w = new ByteWriter(new Uint8Array(20_000))
      writeIt(w)
      return w.offset
    }
    for (const value of [0, 1, 63, 64, 16_383, 16_384, 2 ** 30 - 1, 2 ** 30, MAX_VARINT]) {
      for (const length of [0, 63, 64, 1200]) {
        const data = new Uint8Array(length)
        for (const shown of [length, -1]) {
          const header = write.streamHeaderSize(4 * length, value, shown)
          expect(size((w) => write.writeStreamHeader(w, 4 * length, value, shown, true))).toBe(header)
        }
        expect(size((w) => write.writeDatagram(w, data))).toBe(write.datagramSize(length))
      }
    }
  })
})

describe("ACK frames", () => {
  const ackOf = (count: number): AckFrame => {
    const ack = new AckFrame()
    for (let i = 0; i < count; i++) {
      ack.largestOf[i] = 3 * (count - i)
      ack.smallest[i] = ack.largestOf[i] - (i % 2)
    }
    ack.largest = ack.largestOf[0]
    ack.rangeCount = count
    return ack
  }

  it.each([1, 2, 64, 256])("with %i ranges have the announced size", (count) => {
    for (const hasEcn of [false, true]) {
      const ack = Object.assign(ackOf(count), { hasEcn, ect0: 5, ect1: 16_384, ce: 2 ** 40, delayRaw: 70 })
      const w = new ByteWriter(new Uint8Array(4000))
      write.writeAck(w, ack)
      expect(w.offset).toBe(write.ackSize(ack))
    }
  })

  it("keep 256 ranges, and check the rest without keeping them", () => {
    const many = ackOf(1000)
    const sink = new RecordingSink()
    const w = new ByteWriter(new Uint8Array(4000))
    write.writeAck(w, many)
    write.writePing(w)
    expect(newDecoder().decode(w.bytes, 0, w.offset, PacketType.OneRtt, sink)).toBeUndefined()
    const [[, , , ranges], ping] = sink.frames
    expect(ranges).toHaveLength(MAX_ACK_RANGES)
    expect((ranges as Array<unknown>)[255]).toEqual([many.smallest[255], many.largestOf[255]])
    expect(ping).toEqual(["PING"])
  })

  it("reach down to packet 0 and no further", () => {
    const decode = (hex: string) =>
      newDecoder().decode(fromHex(hex), 0, hex.length / 2, PacketType.OneRtt, new RecordingSink())
    expect(decode("0205000005")).toBeUndefined() // 0 … 5
    expect(decode("0205000006")).toMatchObject({ code: 0x07 })
    expect(decode("02050001010101")).toBeUndefined() // 4 … 5, then 0 … 1
    expect(decode("02050001010102")).toMatchObject({ code: 0x07 })
    expect(decode("02050001010400")).toMatchObject({ code: 0x07 })
  })
})

describe("a decoder", () => {
  const decoded = (hex: string) => {
    const decoder = newDecoder()
    decoder.decode(fromHex(hex), 0, hex.length / 2, PacketType.OneRtt, new RecordingSink())
    return decoder
  }

  it("calls a packet ack-eliciting for anything but PADDING, ACK and CONNECTION_CLOSE", () => {
    // RFC 9000 §13.2
    const quiet = ["00", "0000000000", "0200000000", "0300000000000000", "1c000000", "1d0000", "000200000000"]
    for (const packet of quiet) expect([packet, decoded(packet).ackEliciting]).toEqual([packet, false])
    const eliciting = ["01", "0001", "020000000001", "1f", "1e", "08ff", "1001", "30"]
    for (const packet of eliciting) expect([packet, decoded(packet).ackEliciting]).toEqual([packet, true])
  })

  it("calls a packet probing when it contains only the probing frames of RFC 9000 §9.1", () => {
    const challenge = `1a${"00".repeat(8)}`
    const newId = `18010001aa${"00".repeat(16)}`
    for (const packet of ["00", challenge, `1b${"00".repeat(8)}`, newId, `${challenge}${newId}0000`])
      expect([packet, decoded(packet).probingOnly]).toEqual([packet, true])
    for (const packet of ["01", `${challenge}01`, "0200000000", `${newId}0200000000`, "1c000000"])
      expect([packet, decoded(packet).probingOnly]).toEqual([packet, false])
  })

  it("resets both for each packet", () => {
    const decoder = newDecoder()
    decoder.decode(fromHex("01"), 0, 1, PacketType.OneRtt, new RecordingSink())
    decoder.decode(fromHex("00"), 0, 1, PacketType.OneRtt, new RecordingSink())
    expect([decoder.ackEliciting, decoder.probingOnly]).toEqual([false, true])
  })

  it("skips a datagram full of padding", () => {
    const sink = passThrough([
      (w) => write.writePadding(w, 1400),
      write.writePing,
      (w) => write.writePadding(w, 9)
    ])
    expect(sink.frames).toEqual([["PING"]])
  })

  it("reads nothing outside the packet", () => {
    const sink = new RecordingSink()
    const bytes = fromHex("01".repeat(10))
    expect(newDecoder().decode(bytes, 4, 7, PacketType.OneRtt, sink)).toBeUndefined()
    expect(sink.frames).toHaveLength(3)
  })
})

describe("a CONNECTION_CLOSE", () => {
  it("truncates its reason to the available room", () => {
    for (let room = 8; room < 200; room++) {
      const w = new ByteWriter(new Uint8Array(room))
      write.writeConnectionClose(w, false, 0x0a, 0x1c, new Uint8Array(150).fill(0x61))
      const sink = new RecordingSink()
      expect(newDecoder().decode(w.bytes, 0, w.offset, PacketType.Initial, sink)).toBeUndefined()
      const reason = sink.frames[0][4] as string
      expect(reason).toBe(toHex(new Uint8Array(Math.min(150, room - 5)).fill(0x61)))
    }
  })

  // RFC 9000 §19.19 #S1
  it("does not truncate its reason within a character", () => {
    const text = new TextEncoder().encode("né€𝄞") // 1, 2, 3 and 4 bytes each
    const cuts = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((room) => {
      const w = new ByteWriter(new Uint8Array(4 + room)) // type, error code and a two-byte length
      write.writeConnectionClose(w, true, 0, 0, text)
      return new TextDecoder("utf-8", { fatal: true }).decode(w.bytes.subarray(3, w.offset))
    })
    expect(cuts).toEqual(["", "n", "n", "né", "né", "né", "né€", "né€", "né€", "né€", "né€𝄞"])
  })
})
