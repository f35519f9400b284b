/** Limits on the cost of a stranger's ClientHello: each list is bounded, or scanned once without allocating. */
import { describe, expect, it, vi } from "vitest"
import { Alert } from "../../src/handshake/alerts.ts"
import { Extension } from "../../src/handshake/extensions.ts"
import { MAX_HELLO_BYTES } from "../../src/handshake/HandshakeReader.ts"
import { ProtocolNames } from "../../src/handshake/ProtocolNames.ts"
import { TlsServer } from "../../src/handshake/TlsServer.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { decodeTransportParameters } from "../../src/wire/TransportParameters.ts"
import { TransportError, TransportErrorCode } from "../../src/wire/TransportError.ts"
import { bytes, extensionsOf, Type, u16, withExtension, withExtensions } from "./surgery.ts"
import { onMessage, serverConfig, shake } from "./TlsPair.ts"

const list = (...items: ReadonlyArray<Uint8Array>): Uint8Array => {
  const body = bytes(...items)
  return bytes(u16(body.length), body)
}
const many = (count: number, make: (i: number) => Uint8Array) =>
  Array.from({ length: count }, (_, i) => make(i))

const outcome = (change: (hello: Uint8Array) => Uint8Array, server = {}) => {
  const pair = shake({ server, meddle: onMessage("client", Type.clientHello, change) })
  const failed = pair.server.one("failed")
  return { alert: failed?.alert, reason: failed?.reason ?? "", facts: pair.server.facts }
}

/** The server's answer to a modified ClientHello, which need not match the client's transcript. */
const judged = (change: (hello: Uint8Array) => Uint8Array) => {
  const { alert, reason } = outcome(change)
  // decrypt_error: the server answered, but the client's transcript differs
  return alert === undefined || alert === Alert.decrypt_error ? "answered" : { alert, reason }
}

describe("a ClientHello", () => {
  const server = () => {
    const session = new TlsServer(serverConfig())
    session.start()
    return session
  }
  const headerOf = (length: number) => Uint8Array.of(Type.clientHello, length >> 16, length >> 8, length)

  it("has 32 kB at most, and is rejected by its header if it claims more", () => {
    const most = server()
    most.handleCrypto(Level.Initial, headerOf(MAX_HELLO_BYTES - 4))
    expect(most.pollEvent()).toBeUndefined()
    const tooMuch = server()
    tooMuch.handleCrypto(Level.Initial, headerOf(MAX_HELLO_BYTES - 3))
    expect(tooMuch.pollEvent()).toMatchObject({ _tag: "failed", alert: Alert.decode_error })
  })

  it("may have 32 key shares and no more", () => {
    const shares = (count: number) => (hello: Uint8Array) => {
      const own = new Map(extensionsOf(hello))
      const others = many(count - 2, (i) => u16(0x2000 + i))
      return withExtension(
        withExtension(
          hello,
          Extension.supported_groups,
          list(own.get(Extension.supported_groups)!.slice(2), ...others)
        ),
        Extension.key_share,
        list(
          own.get(Extension.key_share)!.slice(2),
          ...others.map((group) => bytes(group, u16(1), Uint8Array.of(1)))
        )
      )
    }
    expect(judged(shares(32))).toBe("answered")
    expect(judged(shares(33))).toEqual({ alert: Alert.illegal_parameter, reason: "more than 32 key shares" })
    expect(judged(shares(4_000))).toEqual({
      alert: Alert.illegal_parameter,
      reason: "more than 32 key shares"
    })
  })

  it("may have 128 extensions and no more", () => {
    const extensions = (count: number) => (hello: Uint8Array) =>
      withExtensions(hello, (own) => [
        ...own,
        ...many(count - own.length, (i) => u16(i)).map(
          (_, i) => [0x4000 + i, new Uint8Array(0)] as [number, Uint8Array]
        )
      ])
    expect(judged(extensions(128))).toBe("answered")
    expect(judged(extensions(129))).toEqual({ alert: Alert.decode_error, reason: "more than 128 extensions" })
  })

  it("may list thousands of application protocols, none of which is decoded to a string", () => {
    const others = many(9_000, () => Uint8Array.of(1, 0xff))
    const ours = bytes(Uint8Array.of(4), new TextEncoder().encode("test"))
    const decode = vi.spyOn(TextDecoder.prototype, "decode")
    expect(judged((hello) => withExtension(hello, Extension.alpn, list(...others, ours)))).toBe("answered")
    expect(decode.mock.calls.length).toBeLessThan(10)
    decode.mockClear()
    const { alert, reason } = outcome((hello) => withExtension(hello, Extension.alpn, list(...others)))
    expect(decode.mock.calls.length).toBeLessThan(20)
    decode.mockRestore()
    expect(alert).toBe(Alert.no_application_protocol)
    expect(reason).toMatch(/and 8992 more$/)
  })

  it("gets an error reason of 200 characters at most", () => {
    const names = many(8, () => bytes(Uint8Array.of(255), new Uint8Array(255).fill(65)))
    const { reason } = outcome((hello) => withExtension(hello, Extension.alpn, list(...names)))
    expect(reason).toHaveLength(200)
    expect(reason).toMatch(/^no application protocol in common: .*…$/)
  })

  it("may list thousands of groups, schemes and cipher suites", () => {
    const u16s = many(5_000, (i) => u16(0x4000 + i))
    expect(
      judged((hello) => {
        const own = new Map(extensionsOf(hello))
        const longer = (type: number) => list(...u16s, own.get(type)!.slice(2))
        return withExtension(
          withExtension(hello, Extension.supported_groups, longer(Extension.supported_groups)),
          Extension.signature_algorithms,
          longer(Extension.signature_algorithms)
        )
      })
    ).toBe("answered")
  })
})

describe("application protocol names", () => {
  const read = (...names: ReadonlyArray<string>) =>
    ProtocolNames.read(list(...names.map((name) => bytes(Uint8Array.of(name.length), Buffer.from(name)))))!

  it("are compared as a whole", () => {
    const names = read("h3", "h3-29", "a", "hq-interop")
    expect(names.count).toBe(4)
    for (const name of ["h3", "h3-29", "a", "hq-interop"]) expect(names.includes(name)).toBe(true)
    for (const name of ["h", "h3-", "3", "h3-299", "", "hq-interop\0"])
      expect(names.includes(name)).toBe(false)
    // not across the boundary of two names
    expect(read("ab", "cd").includes("b\u0002c")).toBe(false)
    expect(ProtocolNames.read(list(Uint8Array.of(2, 0xc3, 0xbc)))!.includes("ü")).toBe(true)
  })

  it("are malformed if they do not fill their list, or one of them is empty", () => {
    for (const body of [
      [],
      [0, 0],
      [0, 1, 0],
      [0, 2, 2, 65],
      [0, 3, 1, 65],
      [0, 3, 1, 65, 1],
      [0, 4, 1, 65, 0, 1]
    ])
      expect(ProtocolNames.read(Uint8Array.from(body)), String(body)).toBeUndefined()
  })
})

describe("transport parameters", () => {
  it("may be 256 at most", () => {
    const unknown = (count: number) =>
      decodeTransportParameters(
        bytes(...many(count, (i) => bytes(Uint8Array.of(0x80, 0x7f), u16(i), Uint8Array.of(0)))),
        "client"
      )
    expect(unknown(256)).not.toBeInstanceOf(TransportError)
    expect(unknown(257)).toMatchObject({ code: TransportErrorCode.TRANSPORT_PARAMETER_ERROR })
  })
})
