import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Alert } from "../../src/handshake/alerts.ts"
import { MAX_HELLO_BYTES } from "../../src/handshake/HandshakeReader.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { TransportErrorCode } from "../../src/wire/TransportError.ts"
import { bytes, messageOf, Type } from "./surgery.ts"
import { identity, onMessage, shake, TlsPair } from "./TlsPair.ts"

describe("handshake data", () => {
  it("may be fragmented in any way", () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.integer({ min: 1, max: 700 })), (sizes) => {
        const pair = shake({
          client: { identity: identity() },
          server: { requestClientCertificate: "require" },
          meddle: (_from, message) => {
            const pieces: Array<Uint8Array> = []
            for (let at = 0; at < message.length; ) {
              const size = sizes.next().value!
              pieces.push(message.subarray(at, at + size))
              at += size
            }
            return pieces
          }
        })
        expect(pair.client.facts).toBeDefined()
        expect(pair.server.facts).toBeDefined()
      }),
      { numRuns: 30 }
    )
  })

  it("may arrive byte by byte, or several messages at once", () => {
    const oneByOne = shake({ meddle: (_from, message) => Array.from(message, (byte) => Uint8Array.of(byte)) })
    expect(oneByOne.server.facts).toBeDefined()
    const held: Array<Uint8Array> = []
    const together = shake({
      meddle: (from, message, level) => {
        if (from === "client" || level === Level.Initial) return message
        held.push(message)
        return message[0] === Type.finished ? bytes(...held) : []
      }
    })
    expect(together.client.facts).toBeDefined()
  })

  it("is copied: the caller may reuse its buffer", () => {
    const buffer = new Uint8Array(65_536)
    const pair = new TlsPair({
      meddle: (_from, message) => [message.subarray(0, 9), message.subarray(9)]
    })
    const handle = pair.client.session.handleCrypto.bind(pair.client.session)
    pair.client.session.handleCrypto = (level, message) => {
      buffer.set(message)
      handle(level, buffer.subarray(0, message.length))
      buffer.fill(0xee)
    }
    pair.run()
    expect(pair.client.facts).toBeDefined()
  })

  it("of zero length is ignored", () => {
    const pair = shake({ meddle: (_from, message) => [new Uint8Array(0), message, new Uint8Array(0)] })
    expect(pair.client.facts).toBeDefined()
  })
})

describe("the size of a message", () => {
  const claim = (type: number, length: number) => Uint8Array.of(type, length >> 16, length >> 8, length)

  it("is rejected as soon as its length is known to be too large", () => {
    for (const to of ["client", "server"] as const) {
      const pair = new TlsPair()
      if (to === "client") pair.client.session.start()
      pair.inject(to, Level.Initial, claim(to === "client" ? 2 : 1, MAX_HELLO_BYTES - 3))
      expect(pair[to].alert).toBe(Alert.decode_error)
    }
  })

  it("may be as large as the limit", () => {
    const pair = new TlsPair()
    pair.inject("server", Level.Initial, claim(1, MAX_HELLO_BYTES - 4))
    expect(pair.server.alert).toBeUndefined()
    pair.inject("server", Level.Initial, new Uint8Array(MAX_HELLO_BYTES - 4))
    expect(pair.server.alert).toBe(Alert.protocol_version) // a complete but invalid ClientHello
  })

  it("stays bounded while the verifier's verdict is pending", () => {
    const pair = new TlsPair({
      client: { identity: identity() },
      server: { requestClientCertificate: "require" }
    })
    pair.server.session.handleVerdict = () => {} // the verdict never arrives
    pair.run()
    expect(pair.server.one("verifyPeer")).toBeDefined()
    const chunk = new Uint8Array(16_384)
    for (let i = 0; i < 7; i++) pair.inject("server", Level.Handshake, chunk)
    expect(pair.server.alert).toBeUndefined()
    pair.inject("server", Level.Handshake, chunk)
    pair.inject("server", Level.Handshake, chunk)
    expect(pair.server.alert).toBe(Alert.unexpected_message)
  })

  it("takes linear time for tiny fragments", () => {
    const pair = new TlsPair()
    pair.inject("server", Level.Initial, claim(1, MAX_HELLO_BYTES - 4))
    const started = performance.now()
    const piece = Uint8Array.of(0)
    for (let i = 0; i < MAX_HELLO_BYTES - 5; i++) pair.server.session.handleCrypto(Level.Initial, piece)
    expect(performance.now() - started).toBeLessThan(1000)
    expect(pair.server.alert).toBeUndefined()
  })
})

describe("encryption levels", () => {
  it("require each message at its own level", () => {
    for (const [from, type, wrong] of [
      ["client", Type.clientHello, Level.Handshake],
      ["client", Type.clientHello, Level.ZeroRtt],
      ["client", Type.clientHello, Level.OneRtt],
      ["client", Type.finished, Level.Initial],
      ["client", Type.finished, Level.OneRtt],
      ["client", Type.finished, Level.ZeroRtt],
      ["server", Type.serverHello, Level.Handshake],
      ["server", Type.encryptedExtensions, Level.Initial],
      ["server", Type.encryptedExtensions, Level.OneRtt],
      ["server", Type.finished, Level.OneRtt]
    ] as const) {
      const pair = shake({ meddle: onMessage(from, type, (message) => ({ level: wrong, bytes: message })) })
      const failed = pair[from === "client" ? "server" : "client"].one("failed")
      expect(failed).toMatchObject({
        alert: Alert.unexpected_message,
        code: TransportErrorCode.PROTOCOL_VIOLATION
      })
    }
  })

  it("end with their keys: no partial message is left at a key change", () => {
    const extra = Uint8Array.of(Type.certificate)
    for (const [from, type] of [
      ["client", Type.clientHello],
      ["client", Type.finished],
      ["server", Type.serverHello],
      ["server", Type.finished]
    ] as const) {
      const pair = shake({ meddle: onMessage(from, type, (message) => bytes(message, extra)) })
      const receiver = pair[from === "client" ? "server" : "client"]
      expect(receiver.one("failed")).toMatchObject({
        alert: Alert.unexpected_message,
        code: TransportErrorCode.PROTOCOL_VIOLATION
      })
      expect(receiver.facts).toBeUndefined()
    }
  })

  it("accept nothing more at a finished level", () => {
    const pair = shake()
    pair.inject("client", Level.Handshake, Uint8Array.of(1))
    expect(pair.client.alert).toBe(Alert.unexpected_message)
  })

  it("accept no handshake messages after completion, except tickets on the client", () => {
    for (const to of ["client", "server"] as const)
      for (const type of [1, 2, 5, 8, 11, 13, 15, 20, 24, 25, 254]) {
        const pair = shake()
        pair.inject(to, Level.OneRtt, messageOf(type, Uint8Array.of(0)))
        expect(pair[to].alert).toBe(Alert.unexpected_message)
      }
    const toServer = shake()
    toServer.inject("server", Level.OneRtt, messageOf(Type.newSessionTicket, Uint8Array.of(0)))
    expect(toServer.server.alert).toBe(Alert.unexpected_message)
  })

  it("answer post-handshake authentication with PROTOCOL_VIOLATION", () => {
    const pair = shake()
    pair.inject("client", Level.OneRtt, messageOf(Type.certificateRequest, Uint8Array.of(0, 0, 0)))
    expect(pair.client.one("failed")!.code).toBe(TransportErrorCode.PROTOCOL_VIOLATION)
  })
})

describe("after a failure", () => {
  it("nothing more happens", () => {
    const pair = shake({ server: { alpn: ["else"] } })
    const before = pair.server.events.length
    pair.inject("server", Level.Initial, new Uint8Array(100))
    pair.server.session.handleVerdict({ ok: true })
    pair.settle()
    expect(pair.server.events.length).toBe(before)
    expect(pair.sent.some(({ from }) => from === "server")).toBe(false)
  })
})
