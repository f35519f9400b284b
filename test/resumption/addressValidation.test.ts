/** Two cores with a manipulable link in between: how a server handles Initials and their tokens. */
import { describe, expect, it } from "vitest"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import type { Connection } from "../../src/connection/Connection.ts"
import { keepToken } from "../../src/connection/keptToken.ts"
import type { RetryPolicy } from "../../src/admission/Admission.ts"
import { Endpoint } from "../../src/endpoint/Endpoint.ts"
import { NamedGroup } from "../../src/capability/CryptoSuite.ts"
import { retryIntegrityTag } from "../../src/protect/retryIntegrity.ts"
import { PacketHeader, parsePacketHeader } from "../../src/wire/PacketHeader.ts"
import { PacketType, Version } from "../../src/wire/PacketType.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"
import { TransportErrorCode } from "../../src/wire/TransportError.ts"
import { writeRetry } from "../../src/wire/versionPackets.ts"
import { rawIdentity, tlsSettings, transportSettings } from "../connection/Duel.ts"
import { suite } from "../io.ts"

const serverAddress: SocketAddress = { host: "192.0.2.1", port: 4433, family: 4 }
const home: SocketAddress = { host: "198.51.100.1", port: 1000, family: 4 }
const stranger: SocketAddress = { host: "198.51.100.2", port: 1000, family: 4 }

class Duo {
  readonly client: Endpoint
  readonly server: Endpoint
  readonly connection: Connection
  nowMicros = 1_000_000
  private readonly buffer = new Uint8Array(2000)

  constructor(retry: RetryPolicy, addressToken?: Uint8Array) {
    const random = new SeededRandom("duo")
    const identity = rawIdentity(random.fork("identity"))
    const groups = suite.groups.filter((group) => group === NamedGroup.x25519)
    const tls = {
      client: tlsSettings(identity, { groups, serverName: "localhost", expectedName: "localhost" }),
      server: tlsSettings(identity, { groups })
    }
    const transport = transportSettings({ maxDatagramBytes: 1200 })
    const common = { suite, connectionIdBytes: 8 }
    this.server = new Endpoint({
      ...common,
      random: random.fork("server").bytes,
      server: { tls: tls.server, transport, retry }
    })
    this.client = new Endpoint({ ...common, random: random.fork("client").bytes, server: undefined })
    const kept = addressToken && keepToken(Version.v1, addressToken)
    const memory = {
      addressToken: kept,
      resumption: { nowMillis: () => 0, ticket: undefined, earlyData: false }
    }
    this.connection = this.client.connect(serverAddress, tls.client, transport, this.nowMicros, memory)
  }

  /** The datagrams the client sends now. */
  fromClient(): Array<Uint8Array> {
    return this.sentBy(this.connection)
  }

  /** Delivers `datagrams` to the server; returns what it sends, with or without a connection. */
  atServer(datagrams: ReadonlyArray<Uint8Array>, from: SocketAddress = home): Array<Uint8Array> {
    const answers: Array<Uint8Array> = []
    for (const bytes of datagrams) {
      const connection = this.server.handleDatagram(bytes.slice(), from, 0, this.nowMicros)
      if (connection !== undefined) answers.push(...this.sentBy(connection))
      for (let reply = this.server.pollReply(); reply !== undefined; reply = this.server.pollReply())
        answers.push(reply.bytes)
    }
    return answers
  }

  atClient(datagrams: ReadonlyArray<Uint8Array>): this {
    for (const bytes of datagrams) this.client.handleDatagram(bytes.slice(), serverAddress, 0, this.nowMicros)
    return this
  }

  private sentBy(connection: Connection): Array<Uint8Array> {
    const sent: Array<Uint8Array> = []
    for (;;) {
      const end = connection.pollTransmit(this.buffer, 0, this.nowMicros)
      if (end === 0) return sent
      sent.push(this.buffer.slice(0, end))
    }
  }
}

const always: RetryPolicy = "always"
const never: RetryPolicy = "never"

const headerOf = (bytes: Uint8Array): PacketHeader => {
  const header = new PacketHeader()
  // the QUIC bit may be greased
  expect(parsePacketHeader(bytes, 0, bytes.length, 8, header, true)).toBe(true)
  return header
}

const typeOf = (bytes: Uint8Array): PacketType => headerOf(bytes).type

const tokenOf = (bytes: Uint8Array): Uint8Array => {
  const { tokenStart, tokenEnd } = headerOf(bytes)
  return bytes.slice(tokenStart, tokenEnd)
}

describe("a server that sends Retry", () => {
  // RFC 9000 §17.2.5.1 #4
  it("answers a first Initial with a Retry and keeps no state", () => {
    const duo = new Duo(always)
    const answers = duo.atServer(duo.fromClient())
    expect(answers.map(typeOf)).toEqual([PacketType.Retry])
    expect(answers[0].length).toBeLessThan(1200)
    expect(duo.server.connections.size).toBe(0)
  })

  it("uses another connection ID than the client chose, RFC 9000 §17.2.5.1 #1", () => {
    for (let i = 0; i < 20; i++) {
      const duo = new Duo(always)
      const [first] = duo.fromClient()
      const [retry] = duo.atServer([first])
      const [from, to] = [headerOf(first), headerOf(retry)]
      expect(retry.slice(to.scidStart, to.scidEnd)).not.toEqual(first.slice(from.dcidStart, from.dcidEnd))
    }
  })

  it("accepts the client's second Initial and may answer with more than three times its size", () => {
    const duo = new Duo(always)
    const second = duo.atClient(duo.atServer(duo.fromClient())).fromClient()
    expect(second.map((bytes) => tokenOf(bytes).length > 0)).toEqual([true])
    expect(duo.atServer(second).map(typeOf)).toContain(PacketType.Initial)
    const [connection] = duo.server.connections
    expect(connection.path.amplification.validated).toBe(true)
  })

  // RFC 9000 §8.1.3 #7, §8.1.2 #S1
  it("answers INVALID_TOKEN to a client that returns from elsewhere, and keeps no state", () => {
    const duo = new Duo(always)
    const second = duo.atClient(duo.atServer(duo.fromClient())).fromClient()
    const refusal = duo.atServer(second, stranger)
    expect(duo.server.connections.size).toBe(0)
    duo.atClient(refusal)
    expect(duo.connection.closeReason).toMatchObject({
      origin: "peer",
      application: false,
      code: TransportErrorCode.INVALID_TOKEN
    })
  })

  it("answers the same to one that returns too late", () => {
    const duo = new Duo(always)
    const second = duo.atClient(duo.atServer(duo.fromClient())).fromClient()
    duo.nowMicros += 16_000_000
    duo.atClient(duo.atServer(second))
    expect(duo.connection.closeReason).toMatchObject({ code: TransportErrorCode.INVALID_TOKEN })
  })

  it("ignores an Initial whose token was corrupted in transit, and accepts its retransmission", () => {
    const duo = new Duo(always)
    const [second] = duo.atClient(duo.atServer(duo.fromClient())).fromClient()
    const { tokenStart, tokenEnd } = headerOf(second)
    for (let at = tokenStart; at < tokenEnd; at++) {
      const damaged = second.slice()
      damaged[at] ^= 1
      // a token whose type byte is damaged counts as none
      expect(duo.atServer([damaged]).map(typeOf)).toEqual(at === tokenStart ? [PacketType.Retry] : [])
    }
    expect(duo.atServer([second]).map(typeOf)).toContain(PacketType.Initial)
    expect(duo.server.connections.size).toBe(1)
  })

  // RFC 9000 §8.1.4 #5
  it("accepts a token once: a replayed Initial creates no second connection", () => {
    const duo = new Duo(always)
    const second = duo.atClient(duo.atServer(duo.fromClient())).fromClient()
    duo.atServer(second)
    const [connection] = duo.server.connections
    duo.server.forget(connection)
    duo.atServer(second)
    expect(duo.server.connections.size).toBe(0)
  })

  it("does not count a token as used by an Initial that fails authentication", () => {
    const duo = new Duo(always)
    const second = duo.atClient(duo.atServer(duo.fromClient())).fromClient()
    const broken = second.map((bytes) => bytes.slice())
    for (const bytes of broken) bytes[bytes.length - 1] ^= 1
    duo.atServer(broken)
    expect(duo.server.connections.size).toBe(0)
    duo.atServer(second)
    expect(duo.server.connections.size).toBe(1)
  })

  it("does not amplify: each Retry is smaller than what it answers", () => {
    const duo = new Duo(always)
    const [initial] = duo.fromClient()
    for (let i = 0; i < 1000; i++) {
      duo.nowMicros += 1_000
      const [answer] = duo.atServer([initial], { ...home, port: i + 1 })
      expect(answer.length * 4).toBeLessThan(initial.length)
    }
    expect(duo.server.connections.size).toBe(0)
  })
})

describe("a server that sends no Retry", () => {
  // RFC 9000 §8.1.4 #4, §8.1.3 #S4
  it("treats a foreign token as absent", () => {
    for (const token of [Uint8Array.of(1, 2, 3), new Uint8Array(200).fill(0x4e)]) {
      const duo = new Duo(never, token)
      duo.atServer(duo.fromClient())
      const [connection] = duo.server.connections
      expect(connection.path.amplification.validated).toBe(false)
    }
  })

  it("rejects a Retry token that is not its own", () => {
    const duo = new Duo(never, new Uint8Array(100).fill(0x52))
    duo.atClient(duo.atServer(duo.fromClient()))
    expect(duo.connection.closeReason).toMatchObject({ code: TransportErrorCode.INVALID_TOKEN })
  })
})

describe("a client", () => {
  const retry = (duo: Duo, token: Uint8Array): Uint8Array => {
    const [initial] = duo.fromClient()
    const { dcidStart, dcidEnd, scidStart, scidEnd } = headerOf(initial)
    const original = initial.slice(dcidStart, dcidEnd)
    const packet = writeRetry(
      Version.v1,
      initial.slice(scidStart, scidEnd),
      new Uint8Array(8).fill(1),
      token,
      new SeededRandom("retry").bytes
    )
    return Buffer.concat([packet, retryIntegrityTag(suite, Version.v1, original, packet)])
  }

  // RFC 9000 §8.1.3 #1 #6
  it("follows a Retry although it has a token from before", () => {
    const duo = new Duo(never, Uint8Array.of(1, 2, 3))
    const packet = retry(duo, Uint8Array.of(4, 5, 6))
    expect(tokenOf(duo.atClient([packet]).fromClient()[0])).toEqual(Uint8Array.of(4, 5, 6))
  })

  it("follows only one Retry", () => {
    const duo = new Duo(never)
    const packet = retry(duo, Uint8Array.of(4, 5, 6))
    duo.atClient([packet]).fromClient()
    expect(duo.atClient([packet]).fromClient()).toEqual([])
  })

  it("ignores a Retry, and an earlier token, that would not fit its Initials", () => {
    const duo = new Duo(never)
    const packet = retry(duo, new Uint8Array(801))
    expect(duo.atClient([packet]).fromClient()).toEqual([])
    expect(tokenOf(new Duo(never, new Uint8Array(801)).fromClient()[0])).toHaveLength(0)
    const largest = retry(new Duo(never), new Uint8Array(800))
    const other = new Duo(never)
    other.fromClient()
    expect(tokenOf(other.atClient([largest]).fromClient()[0])).toHaveLength(800)
  })

  // RFC 9000 §8.1.2 #1, §8.1.3 #1, §8.1.3 #S2
  it("repeats its token in every Initial, whether from a Retry or an earlier connection", () => {
    for (const [token, retried] of [
      [Uint8Array.of(4, 5, 6), true],
      [Uint8Array.of(1, 2, 3), false]
    ] as const) {
      const duo = new Duo(never, Uint8Array.of(1, 2, 3))
      if (retried) duo.atClient([retry(duo, token)])
      const initials = duo.fromClient()
      while (initials.length < 5) {
        duo.nowMicros = duo.connection.timeout(duo.nowMicros)
        duo.connection.handleTimeout(duo.nowMicros)
        initials.push(...duo.fromClient())
      }
      expect(initials.map(tokenOf)).toEqual(initials.map(() => token))
    }
  })

  // RFC 9000 §8.1.3 #2
  it("stores NEW_TOKEN tokens for later, and not Retry tokens", () => {
    const duo = new Duo(always)
    let toServer = duo.fromClient()
    const retries: Array<Uint8Array> = []
    const kept: Array<Uint8Array> = []
    for (let round = 0; round < 10; round++) {
      const answers = duo.atServer(toServer)
      retries.push(...toServer.filter((bytes) => (bytes[0] & 0xf0) === 0xc0).map(tokenOf))
      duo.atClient(answers)
      const { connection } = duo
      for (let event = connection.pollEvent(); event !== undefined; event = connection.pollEvent()) {
        if (event._tag === "verifyPeer") connection.handleVerdict({ ok: true }, duo.nowMicros)
        if (event._tag === "newToken") kept.push(event.token)
      }
      toServer = duo.fromClient()
    }
    expect(duo.connection.lifecycle.state).toBe("established")
    const [ofRetry] = retries.filter((token) => token.length > 0)
    expect(kept).toHaveLength(1)
    expect(Buffer.from(kept[0]).includes(ofRetry)).toBe(false)
    expect(kept[0][4]).not.toBe(ofRetry[0])
  })
})
