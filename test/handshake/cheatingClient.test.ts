import { describe, expect, it } from "vitest"
import { NamedGroup } from "../../src/capability/CryptoSuite.ts"
import { Alert } from "../../src/handshake/alerts.ts"
import { Extension } from "../../src/handshake/extensions.ts"
import type { TlsServerConfig } from "../../src/handshake/TlsSession.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { TransportErrorCode } from "../../src/wire/TransportError.ts"
import {
  bytes,
  flipped,
  messageOf,
  Type,
  u16,
  withBody,
  withExtension,
  withExtensions,
  withoutExtension
} from "./surgery.ts"
import { identity, onMessage, type PairOptions, shake } from "./TlsPair.ts"

type Change = (message: Uint8Array) => Uint8Array | ReadonlyArray<Uint8Array>

const failureOn = (type: number, change: Change, options: PairOptions = {}) => {
  const pair = shake({ ...options, meddle: onMessage("client", type, change) })
  expect(pair.server.facts).toBeUndefined()
  expect(pair.server.secret(Level.OneRtt, "read")).toBeUndefined()
  return pair.server.one("failed")
}

const verdictOn = (type: number, change: Change, options?: PairOptions): number | undefined =>
  failureOn(type, change, options)?.alert

const none = new Uint8Array(0)
const list = (body: Uint8Array) => bytes(u16(body.length), body)

describe("a ClientHello", () => {
  const hello = (change: Change, server: Partial<TlsServerConfig> = {}) =>
    verdictOn(Type.clientHello, change, { server })
  const carrying =
    (type: number, body: Uint8Array = none): Change =>
    (m) =>
      withExtension(m, type, body)
  const sessionId = 4 + 2 + 32

  // RFC 9001 §8.4 #1 #S1
  it("that requests compatibility mode is a PROTOCOL_VIOLATION", () => {
    const id = new Uint8Array(32)
    const change: Change = (m) =>
      withBody(m, bytes(m.slice(4, sessionId), Uint8Array.of(32), id, m.slice(sessionId + 1)))
    expect(failureOn(Type.clientHello, change)!.code).toBe(TransportErrorCode.PROTOCOL_VIOLATION)
  })
  // RFC 9001 §4.2 #2
  it("of an older TLS is refused", () => {
    expect(hello((m) => withoutExtension(m, Extension.supported_versions))).toBe(Alert.protocol_version)
    expect(hello(carrying(Extension.supported_versions, Uint8Array.of(2, 3, 3)))).toBe(Alert.protocol_version)
    expect(hello((m) => withBody(m, bytes(u16(0x0301), m.subarray(6))))).toBe(Alert.protocol_version)
  })
  it("that offers compression is refused", () => {
    expect(
      hello((m) => {
        const at = sessionId + 1 + 2 + 6 // three cipher suites
        return withBody(m, bytes(m.slice(4, at), Uint8Array.of(2, 0, 1), m.slice(at + 2)))
      })
    ).toBe(Alert.illegal_parameter)
  })
  // RFC 9001 §8.2 #1
  it("without what QUIC and TLS 1.3 need is refused", () => {
    for (const type of [
      Extension.quic_transport_parameters,
      Extension.signature_algorithms,
      Extension.supported_groups,
      Extension.key_share
    ])
      expect(hello((m) => withoutExtension(m, type))).toBe(Alert.missing_extension)
  })
  it("with malformed lists is refused", () => {
    for (const type of [
      Extension.signature_algorithms,
      Extension.supported_groups,
      Extension.key_share,
      Extension.alpn,
      Extension.server_name,
      Extension.server_certificate_type,
      Extension.client_certificate_type,
      Extension.psk_key_exchange_modes
    ])
      for (const body of [none, Uint8Array.of(7), Uint8Array.of(0, 3, 1)])
        expect(hello(carrying(type, body))).toBe(Alert.decode_error)
    expect(hello(carrying(Extension.supported_versions, Uint8Array.of(3, 3, 4, 0)))).toBe(
      Alert.protocol_version
    )
    expect(hello(carrying(Extension.server_name, list(Uint8Array.of(1, 0, 1, 65))))).toBe(Alert.decode_error)
    expect(hello(carrying(Extension.server_name, list(Uint8Array.of(0, 0, 0))))).toBe(Alert.decode_error)
  })
  it("with two shares of a group, or one for a group that is not listed, is refused", () => {
    const share = (group: number) => bytes(u16(group), list(new Uint8Array(32).fill(9)))
    const { x25519, secp256r1 } = NamedGroup
    expect(hello(carrying(Extension.key_share, list(bytes(share(x25519), share(x25519)))))).toBe(
      Alert.illegal_parameter
    )
    const client = { groups: [secp256r1] }
    expect(verdictOn(Type.clientHello, carrying(Extension.key_share, list(share(x25519))), { client })).toBe(
      Alert.illegal_parameter
    )
  })
  it("with a share that is not a valid point is refused", () => {
    const { x25519, secp256r1, x25519MlKem768 } = NamedGroup
    for (const [group, length, fill] of [
      [x25519, 32, 0],
      [x25519, 33, 9],
      [secp256r1, 65, 4],
      [x25519MlKem768, 1184 + 32, 0xff],
      [x25519MlKem768, 1184, 1]
    ] as const) {
      const share = bytes(u16(group), list(new Uint8Array(length).fill(fill)))
      expect(
        verdictOn(Type.clientHello, carrying(Extension.key_share, list(share)), {
          client: { groups: [group] }
        })
      ).toBe(Alert.illegal_parameter)
    }
  })
  it("with a duplicate extension is refused", () => {
    expect(hello((m) => withExtensions(m, (all) => [...all, all[2]]))).toBe(Alert.illegal_parameter)
  })
  it("with trailing bytes, or truncated anywhere, is refused", () => {
    expect(hello((m) => withBody(m, bytes(m.subarray(4), Uint8Array.of(0))))).toBe(Alert.decode_error)
    for (let cut = 1; cut < 200; cut++)
      expect(hello((m) => withBody(m, m.subarray(4, m.length - cut)))).toBe(Alert.decode_error)
    for (let length = 0; length < 60; length++)
      expect(hello((m) => withBody(m, m.subarray(4, 4 + length)))).toBeDefined()
  })
  // RFC 9001 §5.3 #2
  it("may contain unknown extensions", () => {
    expect(hello((m) => withExtension(m, 0xfafa, Uint8Array.of(1)))).toBeUndefined()
  })
  it("that differs from what the client sent breaks the handshake", () => {
    const pair = shake({ meddle: onMessage("client", Type.clientHello, (m) => flipped(m, 10)) })
    expect(pair.client.alert).toBe(Alert.decrypt_error)
  })
  it("with early data but no pre-shared key is refused", () => {
    expect(hello(carrying(Extension.early_data))).toBe(Alert.illegal_parameter)
  })
})

describe("a second ClientHello", () => {
  const options: PairOptions = {
    client: { groups: [NamedGroup.x25519, NamedGroup.secp256r1] },
    server: { groups: [NamedGroup.secp256r1] }
  }
  const second = (change: Change) => {
    let hellos = 0
    return verdictOn(Type.clientHello, (m) => (++hellos === 2 ? change(m) : m), options)
  }
  it("must not change anything it was not asked to", () => {
    expect(second((m) => flipped(m, 10))).toBe(Alert.illegal_parameter) // random
    expect(
      second((m) => withExtension(m, Extension.server_name, list(bytes(Uint8Array.of(0), list(u16(0x6161))))))
    ).toBe(Alert.illegal_parameter)
    expect(second((m) => withExtension(m, Extension.quic_transport_parameters, none))).toBe(
      Alert.illegal_parameter
    )
    expect(second((m) => withoutExtension(m, Extension.server_name))).toBe(Alert.illegal_parameter)
    expect(second((m) => withExtension(m, 0xfafa, none))).toBe(Alert.illegal_parameter)
  })
  it("may be padded and carry the cookie", () => {
    expect(second((m) => withExtension(withExtension(m, 21, none), Extension.cookie, u16(1)))).toBeUndefined()
  })
  it("must have exactly the requested share", () => {
    const share = (group: number, length: number) => bytes(u16(group), list(new Uint8Array(length).fill(9)))
    const { x25519, secp256r1 } = NamedGroup
    for (const shares of [none, share(x25519, 32), bytes(share(secp256r1, 65), share(x25519, 32))])
      expect(second((m) => withExtension(m, Extension.key_share, list(shares)))).toBe(Alert.illegal_parameter)
  })
  it("does not lead to a third", () => {
    let hellos = 0
    const pair = shake({
      ...options,
      meddle: onMessage("client", Type.clientHello, (m) => (++hellos === 2 ? [m, m] : m))
    })
    expect(pair.server.alert).toBe(Alert.unexpected_message)
  })
})

describe("a client's proof", () => {
  const mutual: PairOptions = {
    client: { identity: identity() },
    server: { requestClientCertificate: "require" }
  }
  const prove = (type: number, change: Change) => verdictOn(type, change, mutual)

  it("made with another key than the certificate's is refused", () => {
    const impostor = { ...identity("p256"), key: identity("p256", "rawPublicKey").key }
    const pair = shake({ ...mutual, client: { identity: impostor } })
    expect(pair.server.alert).toBe(Alert.decrypt_error)
    expect(pair.server.one("verifyPeer")).toBeUndefined()
  })
  it("with a wrong signature is refused", () => {
    expect(prove(Type.certificateVerify, (m) => flipped(m, -1))).toBe(Alert.decrypt_error)
  })
  it("with a scheme that was not offered, or does not fit the key, is refused", () => {
    const scheme = (code: number) =>
      prove(Type.certificateVerify, (m) => withBody(m, bytes(u16(code), m.subarray(6))))
    expect(scheme(0x0401)).toBe(Alert.illegal_parameter)
    expect(scheme(0x0807)).toBe(Alert.decrypt_error)
  })
  it("of another session is refused", () => {
    const other = shake(mutual).sent.find(
      ({ from, bytes }) => from === "client" && bytes[0] === Type.certificateVerify
    )!.bytes
    expect(prove(Type.certificateVerify, () => other)).toBe(Alert.decrypt_error)
  })
  it("that reflects the server's own is refused", () => {
    let servers: Uint8Array = none
    const pair = shake({
      ...mutual,
      client: { identity: identity("ed25519") },
      meddle: (from, m) => {
        if (m[0] !== Type.certificateVerify && m[0] !== Type.certificate) return m
        if (from === "client") return m[0] === Type.certificateVerify ? servers : m
        if (m[0] === Type.certificateVerify) servers = m
        return m
      }
    })
    expect(pair.server.alert).toBe(Alert.decrypt_error)
  })
  it("left out is noticed", () => {
    expect(prove(Type.certificateVerify, () => [])).toBe(Alert.unexpected_message)
    expect(prove(Type.certificate, () => [])).toBe(Alert.unexpected_message)
  })
  it("without a certificate is refused where one is required", () => {
    const empty = messageOf(Type.certificate, Uint8Array.of(0, 0, 0, 0))
    expect(prove(Type.certificate, () => empty)).toBe(Alert.certificate_required)
  })
  it("that was not requested is refused", () => {
    const certificate = messageOf(Type.certificate, Uint8Array.of(0, 0, 0, 0))
    expect(verdictOn(Type.finished, (m) => [certificate, m])).toBe(Alert.unexpected_message)
  })
})

describe("a client's Finished", () => {
  it("that is wrong, or of the wrong length, is refused", () => {
    expect(verdictOn(Type.finished, (m) => flipped(m, 4))).toBe(Alert.decrypt_error)
    expect(verdictOn(Type.finished, (m) => withBody(m, none))).toBe(Alert.decode_error)
    expect(verdictOn(Type.finished, (m) => withBody(m, bytes(m.subarray(4), none, u16(0))))).toBe(
      Alert.decode_error
    )
  })
  it("is not replaced by the server's own", () => {
    let servers: Uint8Array = none
    const pair = shake({
      meddle: (from, m) => {
        if (m[0] !== Type.finished) return m
        if (from === "client") return servers
        servers = m
        return m
      }
    })
    expect(pair.server.alert).toBe(Alert.decrypt_error)
  })
  // RFC 9001 §6 #2
  it("is not preceded by EndOfEarlyData or KeyUpdate", () => {
    for (const type of [Type.endOfEarlyData, Type.keyUpdate])
      expect(verdictOn(Type.finished, (m) => [messageOf(type, none), m])).toBe(Alert.unexpected_message)
  })
})

describe("a server that has failed", () => {
  it("has sent nothing if the ClientHello was invalid", () => {
    const pair = shake({ meddle: onMessage("client", Type.clientHello, (m) => withoutExtension(m, 57)) })
    expect(pair.sent.filter(({ from }) => from === "server")).toEqual([])
    expect(pair.server.all("keys")).toEqual([])
  })
})
