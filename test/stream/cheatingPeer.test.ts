import { describe, expect, it } from "vitest"
import type { StreamSet } from "../../src/stream/StreamSet.ts"
import { TransportErrorCode as Code, type TransportError } from "../../src/wire/TransportError.ts"
import { connect, exchange, limits } from "./streamPair.ts"

const bytes = new Uint8Array(2000)

/** A server with low limits for its client. */
const server = (): StreamSet =>
  connect(
    limits(),
    limits({
      initialMaxData: 1500,
      initialMaxStreamDataBidiLocal: 1000,
      initialMaxStreamDataBidiRemote: 1000,
      initialMaxStreamDataUni: 1000,
      initialMaxStreamsBidi: 3,
      initialMaxStreamsUni: 2
    })
  ).server.streams
const clientBidi = 0
const serverBidi = 1
const clientUni = 2
const serverUni = 3

const code = (error: TransportError | undefined): number | undefined => error?.code

describe("a peer that violates stream rules", () => {
  // RFC 9000 §19.4, §19.8 #1, §19.13
  it("gets STREAM_STATE_ERROR for sender frames on a stream only we send on", () => {
    const streams = server()
    expect(streams.open(true)).toBe(serverUni)
    expect(code(streams.received.onStream(serverUni, 0, bytes, 0, 1, false))).toBe(Code.STREAM_STATE_ERROR)
    expect(code(streams.received.onResetStream(serverUni, 0, 0))).toBe(Code.STREAM_STATE_ERROR)
    expect(code(streams.received.onResetStreamAt(serverUni, 0, 0, 0))).toBe(Code.STREAM_STATE_ERROR)
    expect(code(streams.received.onStreamDataBlocked(serverUni, 0))).toBe(Code.STREAM_STATE_ERROR)
  })

  // RFC 9000 §19.5 #2, §19.10 #2
  it("gets STREAM_STATE_ERROR for receiver frames on a stream only it sends on", () => {
    const streams = server()
    for (const opened of [false, true]) {
      if (opened) streams.received.onStream(clientUni, 0, bytes, 0, 1, false)
      expect(code(streams.received.onMaxStreamData(clientUni, 5))).toBe(Code.STREAM_STATE_ERROR)
      expect(code(streams.received.onStopSending(clientUni, 5))).toBe(Code.STREAM_STATE_ERROR)
    }
  })

  // RFC 9000 §19.5 #1, §19.8 #1, §19.10 #1
  it("gets STREAM_STATE_ERROR for a stream of ours that we have not opened", () => {
    const streams = server()
    expect(code(streams.received.onStream(serverBidi, 0, bytes, 0, 1, false))).toBe(Code.STREAM_STATE_ERROR)
    expect(code(streams.received.onResetStream(serverBidi, 0, 0))).toBe(Code.STREAM_STATE_ERROR)
    expect(code(streams.received.onStopSending(serverBidi, 0))).toBe(Code.STREAM_STATE_ERROR)
    expect(code(streams.received.onMaxStreamData(serverBidi, 9))).toBe(Code.STREAM_STATE_ERROR)
    expect(code(streams.received.onStreamDataBlocked(serverBidi, 9))).toBe(Code.STREAM_STATE_ERROR)
    expect(code(streams.received.onMaxStreamData(serverUni, 9))).toBe(Code.STREAM_STATE_ERROR)
    streams.open(false)
    expect(streams.received.onStream(serverBidi, 0, bytes, 0, 1, false)).toBeUndefined()
    expect(code(streams.received.onStream(serverBidi + 4, 0, bytes, 0, 1, false))).toBe(
      Code.STREAM_STATE_ERROR
    )
  })

  // RFC 9000 §4.6 #3, §19.11 #4
  it("gets STREAM_LIMIT_ERROR for a stream beyond the limit, of either type and by any frame", () => {
    const streams = server()
    expect(streams.received.onStream(clientBidi + 4 * 2, 0, bytes, 0, 1, false)).toBeUndefined()
    expect(code(streams.received.onStream(clientBidi + 4 * 3, 0, bytes, 0, 1, false))).toBe(
      Code.STREAM_LIMIT_ERROR
    )
    expect(code(streams.received.onStopSending(clientBidi + 4 * 3, 0))).toBe(Code.STREAM_LIMIT_ERROR)
    expect(code(streams.received.onMaxStreamData(clientBidi + 4 * 3, 0))).toBe(Code.STREAM_LIMIT_ERROR)
    expect(code(streams.received.onStreamDataBlocked(clientUni + 4 * 2, 0))).toBe(Code.STREAM_LIMIT_ERROR)
    expect(code(streams.received.onResetStream(clientUni + 4 * 2, 0, 0))).toBe(Code.STREAM_LIMIT_ERROR)
    expect(code(streams.received.onStream(2 ** 60, 0, bytes, 0, 1, false))).toBe(Code.STREAM_LIMIT_ERROR)
  })

  // RFC 9000 §4.1 #2, §17.2.3 #S2
  it("gets FLOW_CONTROL_ERROR for more than a stream's window", () => {
    expect(server().received.onStream(clientBidi, 0, bytes, 0, 1000, false)).toBeUndefined()
    expect(code(server().received.onStream(clientBidi, 0, bytes, 0, 1001, false))).toBe(
      Code.FLOW_CONTROL_ERROR
    )
    expect(code(server().received.onStream(clientBidi, 1000, bytes, 0, 1, false))).toBe(
      Code.FLOW_CONTROL_ERROR
    )
    expect(code(server().received.onResetStream(clientBidi, 0, 1001))).toBe(Code.FLOW_CONTROL_ERROR)
    expect(code(server().received.onResetStreamAt(clientBidi, 0, 1001, 0))).toBe(Code.FLOW_CONTROL_ERROR)
    expect(code(server().received.onStream(clientBidi, 2 ** 62 - 1, bytes, 0, 1, false))).toBe(
      Code.FLOW_CONTROL_ERROR
    )
  })

  it("gets FLOW_CONTROL_ERROR for more than the connection's window over all streams", () => {
    const streams = server()
    expect(streams.received.onStream(clientBidi, 0, bytes, 0, 1000, false)).toBeUndefined()
    expect(streams.received.onStream(clientUni, 0, bytes, 0, 500, false)).toBeUndefined()
    expect(code(streams.received.onStream(clientUni, 500, bytes, 0, 1, false))).toBe(Code.FLOW_CONTROL_ERROR)
    expect(code(streams.received.onResetStream(clientBidi + 4, 0, 1))).toBe(Code.FLOW_CONTROL_ERROR)
    // retransmitted data costs no credit
    expect(streams.received.onStream(clientBidi, 0, bytes, 0, 1000, true)).toBeUndefined()
  })

  it("is still charged for what it sends after we stopped reading", () => {
    const streams = server()
    streams.received.onStream(clientBidi, 0, bytes, 0, 10, false)
    streams.stop(clientBidi, 1)
    expect(streams.received.onStream(clientBidi, 10, bytes, 0, 990, false)).toBeUndefined()
    expect(code(streams.received.onStream(clientBidi, 1000, bytes, 0, 1, false))).toBe(
      Code.FLOW_CONTROL_ERROR
    )
  })

  // RFC 9000 §4.5 #S1
  it("gets FINAL_SIZE_ERROR when the end of a stream moves, or lies before data already sent", () => {
    const ended = (): StreamSet => {
      const streams = server()
      streams.received.onStream(clientBidi, 90, bytes, 0, 10, true)
      return streams
    }
    expect(ended().received.onStream(clientBidi, 0, bytes, 0, 100, true)).toBeUndefined()
    expect(code(ended().received.onStream(clientBidi, 0, bytes, 0, 50, true))).toBe(Code.FINAL_SIZE_ERROR)
    expect(code(ended().received.onStream(clientBidi, 50, bytes, 0, 51, false))).toBe(Code.FINAL_SIZE_ERROR)
    expect(code(ended().received.onStream(clientBidi, 50, bytes, 0, 51, true))).toBe(Code.FINAL_SIZE_ERROR)
    expect(code(ended().received.onResetStream(clientBidi, 0, 99))).toBe(Code.FINAL_SIZE_ERROR)
    expect(code(ended().received.onResetStream(clientBidi, 0, 101))).toBe(Code.FINAL_SIZE_ERROR)
    expect(code(ended().received.onResetStreamAt(clientBidi, 0, 101, 5))).toBe(Code.FINAL_SIZE_ERROR)
    const streams = server()
    streams.received.onStream(clientBidi, 50, bytes, 0, 50, false)
    expect(code(streams.received.onStream(clientBidi, 0, bytes, 0, 99, true))).toBe(Code.FINAL_SIZE_ERROR)
    expect(code(streams.received.onResetStream(clientBidi, 0, 99))).toBe(Code.FINAL_SIZE_ERROR)
  })

  it("gets an error for a changed final size or error code after a reset", () => {
    const reset = (): StreamSet => {
      const streams = server()
      streams.received.onResetStream(clientBidi, 7, 100)
      return streams
    }
    expect(reset().received.onResetStream(clientBidi, 7, 100)).toBeUndefined()
    expect(code(reset().received.onResetStream(clientBidi, 7, 101))).toBe(Code.FINAL_SIZE_ERROR)
    expect(code(reset().received.onStream(clientBidi, 0, bytes, 0, 101, false))).toBe(Code.FINAL_SIZE_ERROR)
    expect(code(reset().received.onResetStream(clientBidi, 8, 100))).toBe(Code.STREAM_STATE_ERROR)
    expect(code(reset().received.onResetStreamAt(clientBidi, 8, 100, 0))).toBe(Code.STREAM_STATE_ERROR)
  })

  // RFC 9000 §4.6 #1, §19.11 #1, §19.14
  it("gets FRAME_ENCODING_ERROR for a reliable size above the final one and for more than 2^60 streams", () => {
    expect(code(server().received.onResetStreamAt(clientBidi, 0, 10, 11))).toBe(Code.FRAME_ENCODING_ERROR)
    expect(code(server().received.onMaxStreams(false, 2 ** 61))).toBe(Code.FRAME_ENCODING_ERROR)
    expect(code(server().received.onStreamsBlocked(true, 2 ** 61))).toBe(Code.FRAME_ENCODING_ERROR)
    expect(server().received.onMaxStreams(false, 2 ** 60)).toBeUndefined()
  })

  it("gets PROTOCOL_VIOLATION when it accepts 0-RTT with lower limits than we remembered", () => {
    const { streams } = connect().client
    const remembered = limits({ initialMaxStreamsUni: 101 })
    streams.applyPeerLimits(remembered, true)
    expect(code(streams.applyPeerLimits(limits()))).toBe(Code.PROTOCOL_VIOLATION)
    expect(streams.applyPeerLimits(remembered)).toBeUndefined()
  })

  it("names the frame at fault", () => {
    expect(server().received.onResetStream(serverUni, 0, 0)?.frameType).toBe(0x04)
    expect(server().received.onStopSending(clientUni, 0)?.frameType).toBe(0x05)
    expect(server().received.onStream(serverUni, 0, bytes, 0, 1, false)?.frameType).toBe(0x08)
    expect(server().received.onMaxStreamData(clientUni, 0)?.frameType).toBe(0x11)
    expect(server().received.onMaxStreams(true, 2 ** 61)?.frameType).toBe(0x13)
    expect(server().received.onStreamDataBlocked(serverUni, 0)?.frameType).toBe(0x15)
  })

  it("is ignored on closed streams", () => {
    const pair = connect()
    const id = pair.client.streams.open(false)
    pair.client.streams.write(id, bytes)
    pair.client.streams.finish(id)
    exchange(pair)
    const { streams } = pair.server
    while (streams.read(id, 5000) !== undefined);
    streams.finish(id)
    exchange(pair)
    pair.client.streams.read(id, 1)
    exchange(pair)
    expect(streams.pollClosed()).toBe(id)
    expect(streams.pollClosed()).toBe(-1)
    expect(streams.stats().open).toBe(0)
    expect(streams.receiveOutcome(id)).toEqual({ _tag: "closed" })
    expect(streams.receiveOutcome(id + 4)).toEqual({ _tag: "none" })
    expect(streams.received.onStream(id, 0, bytes, 0, 5, false)).toBeUndefined()
    expect(streams.received.onResetStream(id, 3, 2000)).toBeUndefined()
    expect(streams.received.onStopSending(id, 3)).toBeUndefined()
    expect(streams.received.onMaxStreamData(id, 1e6)).toBeUndefined()
    expect(streams.received.onStreamDataBlocked(id, 1e6)).toBeUndefined()
    expect(streams.stats().open).toBe(0)
    expect(streams.hasFrames()).toBe(false)
    // RFC 9000 §2.1: a stream's ID tells its type, closed or not
    expect(code(streams.received.onStopSending(clientUni, 0))).toBe(Code.STREAM_STATE_ERROR)
  })
})
