/**
 * B5: what an authenticated peer does that does no good costs strikes, and ten within five seconds end it.
 * RFC 9000 §21.9 #S1
 */
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { allowances, type Misconduct, Strikes } from "../../src/connection/Strikes.ts"
import { defaultLimits } from "../../src/admission/Limits.ts"
import { EndpointLimits, limitSettings } from "../../src/EndpointLimits.ts"
import { check } from "../../src/QuicOptions.ts"
import type { ByteWriter } from "../../src/wire/ByteWriter.ts"
import { FrameType } from "../../src/wire/FrameType.ts"
import {
  writeAckFrequency,
  writeCryptoHeader,
  writeDataBlocked,
  writeDatagram,
  writeHandshakeDone,
  writeImmediateAck,
  writeMaxData,
  writeMaxStreamData,
  writeMaxStreams,
  writeNewConnectionId,
  writeNewToken,
  writePathChallenge,
  writePathResponse,
  writePing,
  writeResetStream,
  writeRetireConnectionId,
  writeStopSending,
  writeStreamHeader,
  writeStreamsBlocked
} from "../../src/wire/frameWriters.ts"
import { Level } from "../../src/wire/PacketType.ts"
import type { Role } from "../../src/wire/Role.ts"
import { TransportErrorCode as Code } from "../../src/wire/TransportError.ts"
import { Duel } from "../connection/Duel.ts"
import { ackRange } from "../connection/Puppet.ts"
import { away, Roamer } from "../migration/Roamer.ts"

interface Conduct {
  readonly name: string
  readonly what: Misconduct
  readonly victim?: Role
  /** Frames in a packet. */
  readonly perPacket: number
  /** The `n`-th frame. */
  readonly write: (w: ByteWriter, n: number) => void
  /** Whether it must acknowledge what the victim sends, to get that far. */
  readonly acknowledges?: true
  /** What is sent before. */
  readonly first?: (w: ByteWriter) => void
}

const id = (n: number): Uint8Array => {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setUint32(0, n + 1)
  return bytes
}
const token = (n: number): Uint8Array => new Uint8Array([...id(n), ...id(n)])

const stream = (w: ByteWriter, streamId: number, offset: number, length: number, fin = false): void => {
  writeStreamHeader(w, streamId, offset, length, fin)
  w.fill(0x61, length)
}

const conducts: ReadonlyArray<Conduct> = [
  { name: "PING", what: "needless", perPacket: 100, write: writePing },
  { name: "one PING in each packet", what: "needless", perPacket: 1, write: writePing },
  { name: "IMMEDIATE_ACK", what: "needless", perPacket: 100, write: writeImmediateAck },
  {
    name: "ACK_FREQUENCY",
    what: "needless",
    perPacket: 50,
    write: (w, n) => writeAckFrequency(w, n, 1, 25_000, 1)
  },
  { name: "ACKs that say the same", what: "needless", perPacket: 100, write: (w) => ackRange(0, 0)(w) },
  { name: "MAX_DATA that does not rise", what: "needless", perPacket: 100, write: (w) => writeMaxData(w, 1) },
  {
    name: "MAX_DATA in crumbs",
    what: "needless",
    perPacket: 100,
    write: (w, n) => writeMaxData(w, 10_000_000 + n)
  },
  {
    name: "MAX_STREAMS in crumbs",
    what: "needless",
    perPacket: 100,
    write: (w, n) => writeMaxStreams(w, false, 1_000 + n)
  },
  {
    name: "MAX_STREAM_DATA in crumbs",
    what: "needless",
    victim: "server",
    perPacket: 100,
    first: (w) => stream(w, 0, 0, 1),
    write: (w, n) => writeMaxStreamData(w, 0, 1_000_000 + n)
  },
  { name: "DATA_BLOCKED", what: "needless", perPacket: 100, write: (w) => writeDataBlocked(w, 1) },
  {
    name: "STREAMS_BLOCKED",
    what: "needless",
    perPacket: 100,
    write: (w) => writeStreamsBlocked(w, true, 1)
  },
  {
    name: "STREAM without data",
    what: "needless",
    victim: "server",
    perPacket: 100,
    write: (w) => stream(w, 0, 0, 0)
  },
  {
    name: "data that has arrived",
    what: "needless",
    victim: "server",
    perPacket: 100,
    write: (w) => stream(w, 0, 0, 1)
  },
  {
    name: "data that has arrived, behind a gap",
    what: "needless",
    victim: "server",
    perPacket: 100,
    write: (w) => stream(w, 0, 1_000, 1)
  },
  {
    name: "STREAM of a stream reset long ago",
    what: "needless",
    victim: "server",
    perPacket: 100,
    first: (w) => writeResetStream(w, 2, 1, 1),
    write: (w) => stream(w, 2, 0, 1)
  },
  {
    name: "the same RESET_STREAM",
    what: "needless",
    victim: "server",
    perPacket: 100,
    write: (w) => writeResetStream(w, 2, 1, 1)
  },
  {
    name: "the same STOP_SENDING",
    what: "needless",
    victim: "server",
    perPacket: 100,
    write: (w) => writeStopSending(w, 0, 1)
  },
  {
    name: "CRYPTO of one byte after the handshake",
    what: "needless",
    victim: "client",
    perPacket: 100,
    // of a long session ticket
    write: (w, n) => {
      writeCryptoHeader(w, n, 1)
      w.u8([4, 0, 0x40, 0][n] ?? 0)
    }
  },
  { name: "HANDSHAKE_DONE", what: "needless", victim: "client", perPacket: 100, write: writeHandshakeDone },
  {
    name: "NEW_TOKEN",
    what: "needless",
    victim: "client",
    perPacket: 50,
    write: (w, n) => writeNewToken(w, id(n))
  },
  {
    name: "PATH_CHALLENGE",
    what: "pathChallenge",
    perPacket: 50,
    write: (w, n) => writePathChallenge(w, id(n))
  },
  {
    name: "PATH_RESPONSE to nothing",
    what: "pathResponse",
    perPacket: 50,
    write: (w, n) => writePathResponse(w, id(n))
  },
  {
    name: "NEW_CONNECTION_ID that retires the one before",
    what: "connectionIds",
    acknowledges: true,
    perPacket: 1,
    write: (w, n) => writeNewConnectionId(w, n + 1, n + 1, id(n), token(n))
  },
  {
    name: "the same NEW_CONNECTION_ID",
    what: "connectionIds",
    perPacket: 20,
    write: (w) => writeNewConnectionId(w, 1, 0, id(1), token(1))
  },
  {
    name: "the same RETIRE_CONNECTION_ID",
    what: "connectionIds",
    perPacket: 50,
    write: (w) => writeRetireConnectionId(w, 1)
  },
  {
    name: "streams that are opened and reset",
    what: "abandoned",
    acknowledges: true,
    victim: "server",
    perPacket: 50,
    write: (w, n) => writeResetStream(w, 2 + 4 * n, 1, 0)
  },
  {
    name: "requests whose answer is stopped",
    what: "abandoned",
    acknowledges: true,
    victim: "server",
    perPacket: 50,
    write: (w, n) => {
      stream(w, 4 * n, 0, 0, true)
      writeStopSending(w, 4 * n, 1)
    }
  }
]

const duelOf = (victim: Role): Duel => {
  const duel = new Duel({ victim, transport: { maxDatagramFrameBytes: 1_200 } }).shakeHands()
  duel.connection.streams.open(false)
  return duel
}

/** The application takes no interest in streams. */
const endStreams = ({ connection: { streams } }: Duel): void => {
  for (let opened = streams.pollOpened(); opened >= 0; opened = streams.pollOpened()) {
    streams.stop(opened, 0)
    streams.reset(opened, 0)
  }
}

/** Sends `frames` of them, `perSecond`; returns how many packets it took, or until the connection was closed. */
const misbehave = (
  duel: Duel,
  conduct: Conduct,
  frames: number,
  perSecond = Number.POSITIVE_INFINITY
): number => {
  const { puppet } = duel
  const { perPacket, write, first } = conduct
  if (first !== undefined) duel.inject(puppet.packet(Level.OneRtt, first))
  endStreams(duel)
  let sent = 0
  for (; sent * perPacket < frames && duel.connection.closeReason === undefined; sent++) {
    const payload = (w: ByteWriter): void => {
      for (let i = 0; i < perPacket; i++) write(w, sent * perPacket + i)
    }
    duel.inject(puppet.packet(Level.OneRtt, payload))
    if (conduct.acknowledges === true) {
      endStreams(duel)
      duel.exchange().inject(puppet.packet(Level.OneRtt, puppet.ackAll(Level.OneRtt)))
    }
    if (perSecond < Number.POSITIVE_INFINITY) duel.advance((perPacket / perSecond) * 1e6)
  }
  return sent
}

describe("B5: strikes", () => {
  const strikesOf = ({ connection }: Duel): number => connection.parts.strikes.total

  for (const conduct of conducts)
    for (const victim of conduct.victim === undefined ? (["client", "server"] as const) : [conduct.victim])
      it(`end the connection of a ${victim} whose peer floods it with: ${conduct.name}`, () => {
        const duel = duelOf(victim)
        misbehave(duel, conduct, 10_000)
        expect(strikesOf(duel)).toBe(defaultLimits.strikes.count)
        const { code, reason } = duel.connection.closeReason!
        expect([code, reason]).toEqual([
          Code.PROTOCOL_VIOLATION,
          expect.stringMatching(/^10 strikes within 5 s, the last for [a-zA-Z ]+: [a-z_]+$/)
        ])
        expect(duel.puppet.seen.close).toMatchObject({ application: false, code, reason })
      })

  it("are not given for what stays within the allowance, however long it goes on", () => {
    for (const conduct of conducts) {
      const victim = conduct.victim ?? "server"
      const { perSecond, atOnce } = allowances[conduct.what]
      const duel = duelOf(victim)
      const framesEach = conduct.name.startsWith("requests") ? 2 : 1
      misbehave(duel, conduct, Math.min(atOnce + 1_000, 3_000) / framesEach, (0.9 * perSecond) / framesEach)
      expect([conduct.name, strikesOf(duel), duel.connection.closeReason]).toEqual([
        conduct.name,
        0,
        undefined
      ])
    }
  })

  it("are not given for the end of what is over: an answer that was finished, a request nobody reads on", () => {
    const duel = duelOf("server")
    const { puppet } = duel
    const { streams } = duel.connection
    for (let n = 0; n < 5_000; n++) {
      duel.inject(puppet.packet(Level.OneRtt, (w) => stream(w, 4 * n, 0, 1, false)))
      streams.pollOpened()
      streams.write(4 * n, new Uint8Array(1))
      streams.finish(4 * n)
      streams.stop(4 * n, 0)
      duel.exchange().inject(
        puppet.packet(Level.OneRtt, (w) => {
          puppet.ackAll(Level.OneRtt)(w)
          writeStopSending(w, 4 * n, 0)
          writeResetStream(w, 4 * n, 0, 1)
        })
      )
    }
    expect(strikesOf(duel)).toBe(0)
    expect(duel.connection.closeReason).toBeUndefined()
    expect(duel.connection.parts.strikes.accounts?.abandoned).toBeUndefined()
  })

  it("leave the victim as it is until they are too many: the frames beyond the allowance are just not answered", () => {
    const duel = duelOf("server")
    const { atOnce } = allowances.pathChallenge
    for (let i = 0; i < atOnce + 5; i++)
      duel.inject(duel.puppet.packet(Level.OneRtt, (w) => writePathChallenge(w, id(i))))
    expect(strikesOf(duel)).toBe(5)
    expect(duel.puppet.seen.named("onPathResponse").length).toBe(atOnce)
    expect(duel.connection.lifecycle.state).toBe("established")
  })

  it("count within five seconds: ten are the end, nine and a later one are not", () => {
    for (const [pauseMicros, isOver] of [
      [4_900_000, true],
      [5_100_000, false]
    ] as const) {
      const strikes = new Strikes(defaultLimits.strikes, 0)
      strikes.begin(true, 1_000)
      for (let i = 0; i < 9; i++) expect(strikes.strike("needless", FrameType.PING)).toBeUndefined()
      strikes.begin(true, 1_000 + pauseMicros)
      expect(strikes.strike("needless", FrameType.PING) !== undefined).toBe(isOver)
      expect(strikes.total).toBe(10)
    }
  })

  it("can be counted without ending anything", () => {
    const strikes = new Strikes({ count: 0, windowMillis: 5_000 }, 0)
    strikes.begin(true, 0)
    for (let i = 0; i < 1_000; i++) expect(strikes.strike("needless", FrameType.PING)).toBeUndefined()
    expect(strikes.total).toBe(1_000)
  })

  it("are not given for datagrams that nobody reads, nor for real data in any order and many times", () => {
    const duel = duelOf("server")
    const { puppet } = duel
    for (let i = 0; i < 2_000; i++)
      duel.inject(puppet.packet(Level.OneRtt, (w) => writeDatagram(w, new Uint8Array(1_000))))
    expect(duel.connection.datagrams.receiveDropped).toBeGreaterThan(500)
    // a thousand segments, shuffled, each of them three times: what a network and a hasty sender can do
    const order = Array.from({ length: 3_000 }, (_, i) => i % 1_000)
    const random = new SeededRandom("any order")
    for (let i = order.length - 1; i > 0; i--) {
      const j = random.below(i + 1)
      ;[order[i], order[j]] = [order[j], order[i]]
    }
    for (const n of order) duel.inject(puppet.packet(Level.OneRtt, (w) => stream(w, 0, n * 50, 50)))
    expect([strikesOf(duel), duel.connection.closeReason]).toEqual([0, undefined])
  })
})

describe("B5: the option limits.strikes", () => {
  it("says how many strikes within which time end a connection", () => {
    const limits = { strikes: { count: 3, windowMillis: 1_000 } }
    const duel = new Duel({ victim: "server", limits }).shakeHands()
    misbehave(duel, { name: "PING", what: "needless", perPacket: 100, write: writePing }, 10_000)
    expect(duel.connection.parts.strikes.total).toBe(3)
    expect(duel.connection.closeReason!.reason).toMatch(/^3 strikes within 1 s/)
  })

  it("has safe defaults, field by field, and names a field that is wrong", () => {
    const decode = (limits: unknown) =>
      Effect.runSyncExit(Effect.map(check(EndpointLimits, limits, "limits."), limitSettings))
    const defaults = { count: 10, windowMillis: 5_000 }
    for (const [given, strikes] of [
      [{}, defaults],
      [{ strikes: {} }, defaults],
      [{ strikes: { count: 0 } }, { ...defaults, count: 0 }]
    ])
      expect(decode(given)).toMatchObject({ value: { strikes } })
    for (const [field, value] of [
      ["count", 1_001],
      ["count", 1.5],
      ["window", 99],
      ["window", "61 minutes"]
    ] as const)
      expect(
        Effect.runSync(Effect.flip(check(EndpointLimits, { strikes: { [field]: value } }, "limits.")))
      ).toMatchObject({
        reason: { _tag: "InvalidOption", field: `limits.strikes.${field}` }
      })
  })
})

describe("B5: a packet that the peer did not send", () => {
  /** What a forged packet could change. */
  const stateOf = (duel: Duel) => {
    const { connection, nowMicros } = duel
    return {
      state: connection.lifecycle.state,
      strikes: connection.parts.strikes.total,
      deadline: connection.timeout(nowMicros),
      lastActivity: connection.parts.idle.lastActivity,
      routes: connection.path.routes.all.length,
      remote: connection.path.remote,
      received: connection.receiver.counters.received
    }
  }

  const forge = (datagram: Uint8Array, n: number): Uint8Array => {
    const forged = datagram.slice()
    forged[20 + (n % (forged.length - 20))] ^= 1 + (n % 255)
    return forged
  }

  it("costs no strike, no timer, no path and no patience, from wherever and however often it comes", () => {
    const roamer = new Roamer().supply(3)
    roamer.advance(1_000_000)
    const before = stateOf(roamer)
    const genuine = roamer.puppet.packet(Level.OneRtt, (w) => {
      for (let i = 0; i < 100; i++) writePathChallenge(w, id(i))
    })
    for (let n = 0; n < 20_000; n++) {
      roamer.from = away(n % 200)
      roamer.endpoint.handleDatagram(forge(genuine, n), roamer.from, 0, roamer.nowMicros)
    }
    expect(roamer.connection.receiver.counters.undecryptable).toBeGreaterThan(19_000)
    expect(stateOf(roamer)).toEqual(before)
    // and the peer is served as before
    roamer.ping((roamer.from = { host: "192.0.2.1", port: 4433, family: 4 }))
    expect(roamer.connection.lifecycle.state).toBe("established")
  })

  it("costs no strike when it is a replay: thousands of copies count once", () => {
    const duel = duelOf("server")
    const genuine = duel.puppet.packet(Level.OneRtt, (w) => {
      for (let i = 0; i < 100; i++) writePathChallenge(w, id(i))
    })
    for (let n = 0; n < 2_000; n++)
      duel.endpoint.handleDatagram(genuine.slice(), away(n % 200), 0, duel.nowMicros)
    expect(duel.connection.receiver.counters.duplicates).toBe(1_999)
    expect(duel.connection.parts.strikes.total).toBe(0)
  })

  it("costs the peer no strike when copies of its packets from elsewhere have it answer too late, hundreds of times", () => {
    const roamer = new Roamer().supply(3)
    // somebody beside the path is faster than the peer: the server believes that it moves all the time
    for (let i = 0; i < 400; i++) roamer.ping({ host: `198.51.100.${i % 250}`, port: 5_000 + i, family: 4 })
    const asked = roamer.puppet.seen.named("onPathChallenge").map(({ bytes }) => bytes!)
    expect(asked.length).toBeGreaterThan(allowances.pathResponse.atOnce + 100)
    roamer.from = away(1)
    for (const data of asked)
      roamer.inject(roamer.puppet.packet(Level.OneRtt, (w) => writePathResponse(w, data)))
    expect(roamer.connection.parts.strikes.total).toBe(0)
    expect(roamer.connection.closeReason).toBeUndefined()
  })

  it("costs no strike before the handshake either, when whoever sees the first packet has the keys of Initials", () => {
    const duel = new Duel({ victim: "server" })
    for (let n = 0; n < 5; n++)
      duel.puppet.send(
        Level.Initial,
        (w) => {
          for (let i = 0; i < 1_000; i++) writePing(w)
        },
        { size: 1_200 }
      )
    duel.exchange()
    expect(duel.connection.parts.strikes.total).toBe(0)
    expect(duel.connection.closeReason).toBeUndefined()
  })
})
