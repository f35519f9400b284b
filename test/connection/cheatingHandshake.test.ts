import { writeCrypto } from "../wire/writeCrypto.ts"
import type { Role } from "../../src/wire/Role.ts"
import { describe, expect, it } from "vitest"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { Alert } from "../../src/handshake/alerts.ts"
import { HandshakeType } from "../../src/handshake/messages.ts"
import type { TlsIdentity } from "../../src/handshake/TlsSession.ts"
import type { ByteWriter } from "../../src/wire/ByteWriter.ts"
import { FrameType } from "../../src/wire/FrameType.ts"
import { writePing } from "../../src/wire/frameWriters.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { TransportErrorCode as Code } from "../../src/wire/TransportError.ts"
import type { TransportParameters } from "../../src/wire/TransportParameters.ts"
import { Duel, type DuelOptions, rawIdentity } from "./Duel.ts"
import type { PuppetOptions } from "./Puppet.ts"

const roles: ReadonlyArray<Role> = ["client", "server"]

const identity = rawIdentity(new SeededRandom("cheat"))

/** An identity whose signatures are off by one bit. */
const forger: TlsIdentity = {
  ...identity,
  key: {
    ...identity.key,
    sign: (scheme, data) => {
      const signature = identity.key.sign(scheme, data)
      signature[9] ^= 1
      return signature
    }
  }
}

/** Runs the handshake to the end and returns the victim's CONNECTION_CLOSE. */
const closeOf = (options: DuelOptions) => {
  const duel = new Duel(options).exchange()
  expect(duel.connection.lifecycle.state).not.toBe("established")
  expect(duel.events.some((event) => event._tag === "established")).toBe(false)
  expect(duel.connection.closeReason).toMatchObject({ origin: "local" })
  expect(duel.puppet.seen.close?.code).toBe(duel.connection.closeReason!.code)
  return duel.puppet.seen.close!
}

const tamperWith =
  (type: number): NonNullable<PuppetOptions["tamper"]> =>
  (message) => {
    if (message[0] !== type) return message
    const changed = message.slice()
    changed[changed.length - 1] ^= 1
    return changed
  }

for (const victim of roles) {
  const mutual = { victim, requestClientCertificate: "require" } as const

  describe(`a ${victim} rejects`, () => {
    // RFC 9000 §7 #1, RFC 9001 §4.4 #1
    it("a CertificateVerify with a wrong signature", () => {
      const close = closeOf({ ...mutual, puppet: { identity: forger, requestClientCertificate: "require" } })
      expect(close.code).toBe(Code.CRYPTO_ERROR + Alert.decrypt_error)
    })

    it("a CertificateVerify that was modified after signing", () => {
      const close = closeOf({ ...mutual, puppet: { tamper: tamperWith(HandshakeType.certificate_verify) } })
      expect(close.code).toBe(Code.CRYPTO_ERROR + Alert.decrypt_error)
    })

    // RFC 9000 §7 #1
    it("a Finished that does not match", () => {
      const close = closeOf({ victim, puppet: { tamper: tamperWith(HandshakeType.finished) } })
      expect(close.code).toBe(Code.CRYPTO_ERROR + Alert.decrypt_error)
    })

    // RFC 9001 §4.4 #1, §4.8
    it("a peer that its verifier rejects", () => {
      for (const alert of [Alert.certificate_expired, Alert.unknown_ca, Alert.bad_certificate]) {
        const close = closeOf({ ...mutual, verdict: { ok: false, alert, reason: "not you" } })
        expect(close).toMatchObject({ code: Code.CRYPTO_ERROR + alert, reason: "not you" })
      }
    })

    // RFC 9001 §8.1 #2 #5
    it("a peer with another application protocol", () => {
      const close = closeOf({ victim: "server", puppet: { alpn: ["another"] } })
      expect(close.code).toBe(Code.CRYPTO_ERROR + Alert.no_application_protocol)
    })

    // RFC 9000 §5.2 #1, §12.4 #3
    it("frames that Initial packets may not carry", () => {
      for (const frame of forbiddenInInitial) {
        const duel = beforeHandshake(victim)
        duel.inject(duel.puppet.packet(Level.Initial, Uint8Array.from(frame), { size: 1200 }))
        expect(duel.puppet.seen.close, `frame 0x${frame[0].toString(16)}`).toMatchObject({
          code: Code.PROTOCOL_VIOLATION,
          frameType: frame[0]
        })
      }
    })

    // RFC 9000 §12.4 #3, §17.2.4
    it("frames that Handshake packets may not carry, HANDSHAKE_DONE in particular", () => {
      for (const frame of forbiddenInInitial) {
        const duel = withoutFinished(victim)
        duel.inject(duel.puppet.packet(Level.Handshake, Uint8Array.from(frame)))
        expect(duel.puppet.seen.close, `frame 0x${frame[0].toString(16)}`).toMatchObject({
          code: Code.PROTOCOL_VIOLATION,
          frameType: frame[0]
        })
        expect(duel.connection.handshake.confirmed).toBe(false)
      }
    })

    // RFC 9000 §17.2 #7
    it("reserved bits in a long header", () => {
      const duel = beforeHandshake(victim)
      duel.inject(
        duel.puppet.packet(Level.Initial, writePing, { size: 1200, firstByte: (first) => first | 0x0c })
      )
      expect(duel.puppet.seen.close?.code).toBe(Code.PROTOCOL_VIOLATION)
    })

    // RFC 9000 §12.4 #2
    it("an Initial without frames", () => {
      const duel = beforeHandshake(victim)
      const { puppet } = duel
      puppet.outbox.push(puppet.packet(Level.Initial, new Uint8Array(0)))
      // RFC 9000 §14.1: a server drops small datagrams, so padding follows the packet
      puppet.outbox[0] = padded(puppet.outbox[0])
      duel.exchange()
      expect(puppet.seen.close?.code).toBe(Code.PROTOCOL_VIOLATION)
    })

    it("CRYPTO data beyond the buffer in an Initial", () => {
      const duel = beforeHandshake(victim)
      duel.inject(
        duel.puppet.packet(Level.Initial, (w) => writeCrypto(w, 200_000, new Uint8Array(1), 0, 1), {
          size: 1200
        })
      )
      expect(duel.puppet.seen.close).toMatchObject({
        code: Code.CRYPTO_BUFFER_EXCEEDED,
        frameType: FrameType.CRYPTO
      })
    })

    it("handshake data beyond the end of a level, RFC 9001 §4.1.3 #1 #2", () => {
      const duel = withoutFinished(victim)
      const past = (w: ByteWriter) => writeCrypto(w, 10_000, new Uint8Array(5), 0, 5)
      const isGone = duel.connection.keys.read[Level.Initial] === undefined
      duel.inject(duel.puppet.packet(Level.Initial, past, { size: 1200 }))
      // a server that has processed a Handshake packet has discarded the Initial keys
      if (isGone) expect(duel.puppet.seen.close).toBeUndefined()
      else expect(duel.puppet.seen.close?.code).toBe(Code.PROTOCOL_VIOLATION)
      expect(isGone).toBe(victim === "client")
    })

    it("handshake data left unread when TLS changes level, RFC 9001 §4.1.3 #3", () => {
      const duel = new Duel({ victim })
      const { puppet } = duel
      if (victim === "client") duel.drainVictim()
      puppet.outbox.unshift(
        puppet.packet(Level.Initial, (w) => writeCrypto(w, 10_000, new Uint8Array(5), 0, 5), { size: 1200 })
      )
      duel.exchange()
      expect(puppet.seen.close?.code).toBe(Code.PROTOCOL_VIOLATION)
    })

    it("a handshake message of impossible length", () => {
      const duel = victim === "client" ? beforeHandshake(victim) : new Duel({ victim })
      const { puppet } = duel
      const huge = Uint8Array.of(victim === "client" ? 2 : 1, 0xff, 0xff, 0xff)
      if (victim === "server") puppet.outbox.length = 0
      duel.inject(puppet.packet(Level.Initial, (w) => writeCrypto(w, 0, huge, 0, 4), { size: 1200 }))
      expect(puppet.seen.close?.code).toBeGreaterThan(Code.CRYPTO_ERROR)
    })

    // RFC 9000 §7.4 #1, §18.2 #7
    it("transport parameters out of range", () => {
      const wrong: ReadonlyArray<Partial<TransportParameters>> = [
        { ackDelayExponent: 21 },
        { maxAckDelayMillis: 16_384 },
        { maxUdpPayloadSize: 1_199 },
        { activeConnectionIdLimit: 1 }
      ]
      for (const change of wrong) {
        const close = closeOf({ victim, puppet: { parameters: (honest) => ({ ...honest, ...change }) } })
        expect(close.code).toBe(Code.TRANSPORT_PARAMETER_ERROR)
      }
    })

    it("a duplicate transport parameter", () => {
      const close = closeOf({
        victim,
        puppet: { rawParameters: (honest) => Uint8Array.of(...honest, 0x01, 0x01, 0x05, 0x01, 0x01, 0x05) }
      })
      expect(close.code).toBe(Code.TRANSPORT_PARAMETER_ERROR)
    })

    // RFC 9000 §7.3 #1 #2 #3 #4, RFC 9001 §7 #S1
    it("transport parameters whose connection IDs differ from the packets'", () => {
      for (const change of forgedIds(victim)) {
        const close = closeOf({ victim, puppet: { parameters: change } })
        expect(close.code).toBe(Code.TRANSPORT_PARAMETER_ERROR)
        expect(close.reason).toMatch(/connection_id/)
      }
    })
  })
}

describe("a client does not accept", () => {
  // RFC 9000 §7.3 #4
  it("a server that denies, invents or misquotes a Retry", () => {
    const honest = new Duel({ victim: "client", puppet: { retry: true } }).exchange()
    expect(honest.connection.lifecycle.state).toBe("established")
    for (const forged of [undefined, new Uint8Array(8)]) {
      const close = closeOf({
        victim: "client",
        puppet: {
          retry: true,
          parameters: ({ retrySourceConnectionId: _, ...rest }) => ({
            ...rest,
            ...(forged !== undefined && { retrySourceConnectionId: forged })
          })
        }
      })
      expect(close.code).toBe(Code.TRANSPORT_PARAMETER_ERROR)
    }
    const invented = closeOf({
      victim: "client",
      puppet: { parameters: (rest) => ({ ...rest, retrySourceConnectionId: new Uint8Array(8) }) }
    })
    expect(invented.code).toBe(Code.TRANSPORT_PARAMETER_ERROR)
  })

  // RFC 9001 §5.7 #1 #3
  it("a HANDSHAKE_DONE in 1-RTT before the handshake is complete: it is buffered", () => {
    const duel = withoutFinished("client")
    duel.inject(duel.puppet.packet(Level.OneRtt, Uint8Array.of(FrameType.HANDSHAKE_DONE)))
    expect(duel.connection.handshake.confirmed).toBe(false)
    expect(duel.connection.lifecycle.state).toBe("handshaking")
    expect(duel.puppet.seen.close).toBeUndefined()
  })

  it("an Initial from the server that carries a token", () => {
    const duel = beforeHandshake("client")
    const { puppet } = duel
    duel.inject(puppet.packet(Level.Initial, writePing, { token: Uint8Array.of(1, 2, 3), size: 1200 }))
    // RFC 9000 §17.2.2 #1: discarded, so it is not acknowledged
    expect(puppet.seen.named("onAck").every((ack) => ack.values[0] !== puppet.nextPacketNumber[0] - 1)).toBe(
      true
    )
  })
})

describe("a server does not accept", () => {
  // RFC 9000 §18.2 #9
  it("a client that declares server-only transport parameters", () => {
    const serverOnly: ReadonlyArray<ReadonlyArray<number>> = [
      [0x00, 8, 1, 2, 3, 4, 5, 6, 7, 8],
      [0x02, 16, ...new Array<number>(16).fill(1)],
      [0x10, 8, 1, 2, 3, 4, 5, 6, 7, 8]
    ]
    for (const extra of serverOnly) {
      const close = closeOf({
        victim: "server",
        puppet: { rawParameters: (honest) => Uint8Array.of(...honest, ...extra) }
      })
      expect(close.code).toBe(Code.TRANSPORT_PARAMETER_ERROR)
    }
  })

  // RFC 9000 §14 #4, §14.1 #3
  it("an Initial in a datagram below 1200 bytes, even on an existing connection", () => {
    const duel = beforeHandshake("server")
    const { puppet } = duel
    duel.deliver()
    duel.drainVictim()
    puppet.outbox.length = 0
    const acknowledged = puppet.seen.named("onAck").length
    duel.inject(puppet.packet(Level.Initial, writePing, { size: 1199 }))
    expect(puppet.seen.named("onAck").length).toBe(acknowledged)
    duel.inject(puppet.packet(Level.Initial, writePing, { size: 1200 }))
    expect(puppet.seen.named("onAck").length).toBeGreaterThan(acknowledged)
  })

  it("an Initial that changes the client's connection ID", () => {
    const duel = beforeHandshake("server")
    const { puppet } = duel
    duel.deliver()
    duel.drainVictim()
    puppet.outbox.length = 0
    const acknowledged = puppet.seen.named("onAck").length
    duel.inject(puppet.packet(Level.Initial, writePing, { size: 1200, source: new Uint8Array(8) }))
    expect(puppet.seen.named("onAck").length).toBe(acknowledged)
    expect(duel.connection.closeReason).toBeUndefined()
  })

  it("a client without a certificate where one is required", () => {
    const close = closeOf({
      victim: "server",
      requestClientCertificate: "require",
      puppet: { identity: undefined }
    })
    expect(close.code).toBe(Code.CRYPTO_ERROR + Alert.certificate_required)
  })
})

/** One complete frame of each type. RFC 9000 §12.4, Table 3 */
const forbiddenInInitial: ReadonlyArray<ReadonlyArray<number>> = [
  [FrameType.RESET_STREAM, 0, 0, 0],
  [FrameType.STOP_SENDING, 0, 0],
  [FrameType.NEW_TOKEN, 1, 1],
  [FrameType.STREAM | 2, 0, 0],
  [FrameType.MAX_DATA, 0],
  [FrameType.MAX_STREAM_DATA, 0, 0],
  [FrameType.MAX_STREAMS_BIDI, 0],
  [FrameType.DATA_BLOCKED, 0],
  [FrameType.STREAM_DATA_BLOCKED, 0, 0],
  [FrameType.STREAMS_BLOCKED_UNI, 0],
  [FrameType.NEW_CONNECTION_ID, 1, 0, 1, ...new Array<number>(17).fill(1)],
  [FrameType.RETIRE_CONNECTION_ID, 0],
  [FrameType.PATH_CHALLENGE, ...new Array<number>(8).fill(1)],
  [FrameType.PATH_RESPONSE, ...new Array<number>(8).fill(1)],
  [FrameType.APPLICATION_CLOSE, 0, 0],
  [FrameType.HANDSHAKE_DONE],
  [FrameType.DATAGRAM_LEN, 0]
]

type Change = NonNullable<PuppetOptions["parameters"]>

const forgedIds = (victim: Role): ReadonlyArray<Change> => {
  const source: ReadonlyArray<Change> = [
    ({ initialSourceConnectionId: _, ...rest }) => rest,
    (honest) => ({ ...honest, initialSourceConnectionId: new Uint8Array(8) })
  ]
  if (victim === "server") return source
  return [
    ...source,
    ({ originalDestinationConnectionId: _, ...rest }) => rest,
    (honest) => ({ ...honest, originalDestinationConnectionId: new Uint8Array(8) })
  ]
}

/** Handshake keys are available, and the victim waits for a Finished that never arrives. */
function withoutFinished(victim: Role): Duel {
  return new Duel({
    victim,
    puppet: { tamper: (message) => (message[0] === HandshakeType.finished ? undefined : message) }
  }).exchange()
}

/** Initial keys are available, and no packet has been exchanged yet. */
function beforeHandshake(victim: Role): Duel {
  const duel = new Duel({ victim })
  if (victim === "client") {
    duel.drainVictim()
    duel.puppet.outbox.length = 0
  } else {
    duel.deliver()
  }
  return duel
}

/** Fills a datagram with bytes that look like another packet. */
function padded(datagram: Uint8Array): Uint8Array {
  const whole = new Uint8Array(1200)
  whole.set(datagram)
  return whole
}
