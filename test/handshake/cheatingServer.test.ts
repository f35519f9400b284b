import { describe, expect, it } from "vitest"
import { NamedGroup } from "../../src/capability/CryptoSuite.ts"
import { Alert } from "../../src/handshake/alerts.ts"
import { Extension } from "../../src/handshake/extensions.ts"
import { retryRandom } from "../../src/handshake/messages.ts"
import type { TlsClientConfig } from "../../src/handshake/TlsSession.ts"
import { Level } from "../../src/wire/PacketType.ts"
import {
  bytes,
  extensionsOf,
  flipped,
  messageOf,
  Type,
  u16,
  withBody,
  withExtension,
  withExtensions,
  withoutExtension
} from "./surgery.ts"
import { identity, onMessage, shake } from "./TlsPair.ts"

type Change = (message: Uint8Array) => Uint8Array | ReadonlyArray<Uint8Array>

/** The client's alert for a server whose messages of one type are modified. */
const verdictOn = (
  type: number,
  change: Change,
  client: Partial<TlsClientConfig> = {},
  proof: "unproven" | "any" = "any"
): number | undefined => {
  const pair = shake({ client, meddle: onMessage("server", type, change) })
  expect(pair.client.facts).toBeUndefined()
  expect(pair.client.secret(Level.OneRtt, "write")).toBeUndefined()
  if (proof === "unproven") expect(pair.client.one("verifyPeer")).toBeUndefined()
  return pair.client.alert
}

const none = new Uint8Array(0)

describe("a ServerHello", () => {
  const hello = (change: Change, client?: Partial<TlsClientConfig>) =>
    verdictOn(Type.serverHello, change, client)
  const at =
    (offset: number, ...values: ReadonlyArray<number>): Change =>
    (message) => {
      const copy = message.slice()
      copy.set(values, offset)
      return copy
    }
  const sessionId = 4 + 2 + 32

  it("with a wrong legacy version is refused", () => {
    expect(hello(at(4, 3, 4))).toBe(Alert.illegal_parameter)
  })
  it("that echoes a session ID is refused", () => {
    const echo: Change = (message) =>
      withBody(message, bytes(message.slice(4, sessionId), Uint8Array.of(1, 7), message.slice(sessionId + 1)))
    expect(hello(echo)).toBe(Alert.illegal_parameter)
  })
  it("with compression is refused", () => {
    expect(hello(at(sessionId + 3, 1))).toBe(Alert.illegal_parameter)
  })
  it("with a cipher suite that was not offered, or is unknown, is refused", () => {
    expect(hello(at(sessionId + 1, 0x13, 0x03), { cipherSuites: [0x1301] })).toBe(Alert.illegal_parameter)
    expect(hello(at(sessionId + 1, 0x13, 0x05))).toBe(Alert.illegal_parameter)
    expect(hello(at(sessionId + 1, 0x13, 0x05), { cipherSuites: [0x1305, 0x1301] })).toBe(
      Alert.illegal_parameter
    )
  })
  // RFC 9001 §4.2 #2
  it("of an older TLS is refused, with another alert if it carries the downgrade marker", () => {
    const old: Change = (message) => withoutExtension(message, Extension.supported_versions)
    expect(hello(old)).toBe(Alert.protocol_version)
    for (const last of [0, 1])
      expect(
        hello((message) => at(sessionId - 8, ...Buffer.from("DOWNGRD"), last)(old(message) as Uint8Array))
      ).toBe(Alert.illegal_parameter)
  })
  it("with a version that was not offered is refused", () => {
    expect(hello((message) => withExtension(message, Extension.supported_versions, u16(0x0305)))).toBe(
      Alert.illegal_parameter
    )
    expect(hello((message) => withExtension(message, Extension.supported_versions, none))).toBe(
      Alert.illegal_parameter
    )
  })
  it("without a key share is refused", () => {
    expect(hello((message) => withoutExtension(message, Extension.key_share))).toBe(Alert.missing_extension)
  })
  it("with a share of a group we sent none for is refused", () => {
    const share = bytes(u16(NamedGroup.secp256r1), u16(65), new Uint8Array(65).fill(4))
    expect(
      hello((message) => withExtension(message, Extension.key_share, share), {
        groups: [NamedGroup.x25519, NamedGroup.secp256r1]
      })
    ).toBe(Alert.illegal_parameter)
  })
  it("with a share that is not a point, has the wrong length or is all zeros is refused", () => {
    const { x25519, secp256r1, secp384r1, x25519MlKem768 } = NamedGroup
    for (const [group, length, fill] of [
      [x25519, 32, 0],
      [x25519, 31, 9],
      [secp256r1, 65, 4],
      [secp256r1, 33, 2],
      [secp384r1, 97, 4],
      [x25519MlKem768, 1088 + 32, 0],
      [x25519MlKem768, 1088, 1]
    ] as const) {
      const share = bytes(u16(group), u16(length), new Uint8Array(length).fill(fill))
      expect(
        hello((message) => withExtension(message, Extension.key_share, share), { groups: [group] })
      ).toBe(Alert.illegal_parameter)
    }
  })
  it("with a malformed share is refused", () => {
    for (const share of [
      none,
      u16(29),
      bytes(u16(29), u16(33), new Uint8Array(32)),
      bytes(u16(29), u16(32), new Uint8Array(33))
    ])
      expect(hello((message) => withExtension(message, Extension.key_share, share), { groups: [29] })).toBe(
        Alert.decode_error
      )
  })
  it("that resumes a session that was not offered is refused", () => {
    expect(hello((message) => withExtension(message, Extension.pre_shared_key, u16(0)))).toBe(
      Alert.unsupported_extension
    )
  })
  it("with an unsolicited, misplaced or duplicate extension is refused", () => {
    expect(hello((message) => withExtension(message, 0xfafa, none))).toBe(Alert.unsupported_extension)
    expect(hello((message) => withExtension(message, Extension.alpn, none))).toBe(Alert.illegal_parameter)
    expect(hello((message) => withExtensions(message, (list) => [...list, list[0]]))).toBe(
      Alert.illegal_parameter
    )
  })
  it("with trailing bytes, or truncated, is refused", () => {
    expect(hello((message) => withBody(message, bytes(message.subarray(4), Uint8Array.of(0))))).toBe(
      Alert.decode_error
    )
    for (let length = 0; length < 60; length++)
      expect(hello((message) => withBody(message, message.subarray(4, 4 + length)))).toBeDefined()
  })
  it("that differs from what the server sent breaks the handshake", () => {
    expect(hello((message) => flipped(message, 10))).toBe(Alert.decrypt_error)
  })
})

describe("a HelloRetryRequest", () => {
  const retry = (message: Uint8Array, group: number) => {
    const asked = withExtensions(message, (list) =>
      list.map(([type, body]) => [type, type === Extension.key_share ? u16(group) : body])
    )
    asked.set(retryRandom, 6)
    return asked
  }
  const groups = [NamedGroup.x25519, NamedGroup.secp256r1]

  it("for a group that was not offered, or whose share was sent, is refused", () => {
    expect(verdictOn(Type.serverHello, (m) => retry(m, NamedGroup.secp384r1), { groups })).toBe(
      Alert.illegal_parameter
    )
    expect(verdictOn(Type.serverHello, (m) => retry(m, NamedGroup.x25519), { groups })).toBe(
      Alert.illegal_parameter
    )
  })
  it("that requests nothing is refused", () => {
    expect(
      verdictOn(Type.serverHello, (m) => withoutExtension(retry(m, 29), Extension.key_share), { groups })
    ).toBe(Alert.illegal_parameter)
  })
  it("with a malformed cookie is refused", () => {
    for (const cookie of [none, u16(0), bytes(u16(2), Uint8Array.of(1))])
      expect(
        verdictOn(
          Type.serverHello,
          (m) => withExtension(retry(m, NamedGroup.secp256r1), Extension.cookie, cookie),
          {
            groups
          }
        )
      ).toBe(Alert.decode_error)
  })
  it("is accepted only once", () => {
    expect(
      verdictOn(Type.serverHello, (m) => [retry(m, NamedGroup.secp256r1), retry(m, NamedGroup.secp256r1)], {
        groups
      })
    ).toBe(Alert.unexpected_message)
  })
  it("binds the server to the cipher suite it names", () => {
    const change: Change = (message) => {
      // requests only a cookie, so that the server's share still fits
      const asked = withExtension(
        withoutExtension(retry(message, NamedGroup.secp256r1), Extension.key_share),
        Extension.cookie,
        bytes(u16(1), Uint8Array.of(1))
      )
      asked.set([0x13, 0x03], 4 + 2 + 32 + 1)
      return [asked, message]
    }
    expect(verdictOn(Type.serverHello, change, { groups })).toBe(Alert.illegal_parameter)
  })
})

describe("EncryptedExtensions", () => {
  const extensions = (change: Change, client?: Partial<TlsClientConfig>) =>
    verdictOn(Type.encryptedExtensions, change, client)
  const carrying =
    (type: number, body: Uint8Array = none): Change =>
    (m) =>
      withExtension(m, type, body)

  // RFC 9001 §8.2 #1
  it("without transport parameters are refused", () => {
    const pair = shake({
      meddle: onMessage("server", Type.encryptedExtensions, (m) =>
        withoutExtension(m, Extension.quic_transport_parameters)
      )
    })
    expect(pair.client.one("failed")).toMatchObject({ alert: Alert.missing_extension, code: 0x16d })
  })
  it("with an application protocol that was not offered are refused", () => {
    const list = (...names: ReadonlyArray<string>) => {
      const body = bytes(...names.map((name) => Uint8Array.of(name.length, ...Buffer.from(name))))
      return bytes(u16(body.length), body)
    }
    // RFC 9001 §8.1 #3 #6
    expect(extensions(carrying(Extension.alpn, list("else")))).toBe(Alert.no_application_protocol)
    expect(extensions(carrying(Extension.alpn, list("test", "test")))).toBe(Alert.decode_error)
    expect(extensions(carrying(Extension.alpn, list("\xff", "test")))).toBe(Alert.decode_error)
    expect(extensions(carrying(Extension.alpn, none))).toBe(Alert.decode_error)
    expect(extensions(carrying(Extension.alpn, list("")))).toBe(Alert.decode_error)
  })
  it("with unsolicited extensions are refused", () => {
    for (const type of [
      Extension.client_certificate_type,
      Extension.server_certificate_type,
      Extension.early_data,
      0xfafa
    ])
      expect(extensions(carrying(type))).toBe(Alert.unsupported_extension)
    expect(extensions(carrying(Extension.server_name), { serverName: undefined })).toBe(
      Alert.unsupported_extension
    )
  })
  it("with extensions of other messages are refused", () => {
    for (const type of [
      Extension.key_share,
      Extension.supported_versions,
      Extension.pre_shared_key,
      Extension.cookie,
      Extension.signature_algorithms,
      Extension.psk_key_exchange_modes
    ])
      expect(extensions(carrying(type))).toBe(Alert.illegal_parameter)
  })
  it("with a non-empty server_name are refused", () => {
    expect(extensions(carrying(Extension.server_name, u16(1)))).toBe(Alert.decode_error)
  })
  it("with a certificate type that was not offered are refused", () => {
    const client: Partial<TlsClientConfig> = { peerCertificateTypes: ["rawPublicKey"] }
    const server = { selectIdentity: () => identity("ed25519", "rawPublicKey") }
    for (const [code, alert] of [
      [0, Alert.illegal_parameter],
      [1, Alert.illegal_parameter]
    ]) {
      const meddle = onMessage("server", Type.encryptedExtensions, carrying(20, Uint8Array.of(code)))
      expect(shake({ client, server, meddle }).client.alert).toBe(alert)
    }
    const meddle = onMessage("server", Type.encryptedExtensions, carrying(20, Uint8Array.of(2, 2)))
    expect(shake({ client, server, meddle }).client.alert).toBe(Alert.decode_error)
  })
  it("may acknowledge the name and list groups", () => {
    const meddle = onMessage("server", Type.encryptedExtensions, (m) =>
      withExtension(withExtension(m, Extension.server_name, none), Extension.supported_groups, u16(0))
    )
    // the transcripts differ, but the extensions themselves are accepted
    expect(shake({ meddle }).client.alert).toBe(Alert.decrypt_error)
  })
  it("with duplicate extensions or trailing bytes are refused", () => {
    expect(extensions((m) => withExtensions(m, (list) => [...list, list[0]]))).toBe(Alert.illegal_parameter)
    expect(extensions((m) => withBody(m, bytes(m.subarray(4), none, Uint8Array.of(0))))).toBe(
      Alert.decode_error
    )
  })
  it("that are modified in transit break the handshake", () => {
    expect(extensions(carrying(Extension.quic_transport_parameters, Uint8Array.of(1)))).toBe(
      Alert.decrypt_error
    )
  })
})

describe("a server's Certificate", () => {
  const certificate = (change: Change, client?: Partial<TlsClientConfig>) =>
    verdictOn(Type.certificate, change, client)
  const list = (...entries: ReadonlyArray<readonly [Uint8Array, Uint8Array]>) => {
    const u24 = (n: number) => Uint8Array.of(n >> 16, n >> 8, n)
    const body = bytes(...entries.flatMap(([der, extra]) => [u24(der.length), der, u16(extra.length), extra]))
    return messageOf(Type.certificate, bytes(Uint8Array.of(0), u24(body.length), body))
  }
  const der = identity().chain[0]

  it("without certificates is refused", () => {
    expect(certificate(() => list())).toBe(Alert.decode_error)
  })
  it("with an empty certificate is refused", () => {
    expect(certificate(() => list([none, none]))).toBe(Alert.decode_error)
  })
  it("with an extension is refused: none was requested", () => {
    expect(certificate(() => list([der, bytes(u16(5), u16(0))]))).toBe(Alert.unsupported_extension)
  })
  it("with a context is refused", () => {
    expect(certificate((m) => withBody(m, bytes(Uint8Array.of(1, 9), m.subarray(5))))).toBe(
      Alert.illegal_parameter
    )
  })
  it("with too long a chain is refused", () => {
    expect(certificate(() => list(...Array.from({ length: 11 }, () => [der, none] as const)))).toBe(
      Alert.bad_certificate
    )
  })
  it("that cannot be parsed is refused", () => {
    expect(certificate(() => list([Uint8Array.of(0x30, 3, 1, 2, 3), none]))).toBe(Alert.bad_certificate)
    expect(certificate((m) => withBody(m, bytes(m.subarray(4), Uint8Array.of(0))))).toBe(Alert.decode_error)
  })
  it("of another identity is refused: the signature is not by its key", () => {
    expect(certificate(() => list([identity("ed25519").chain[0], none]))).toBe(Alert.decrypt_error)
  })
  it("of two raw keys is refused", () => {
    const raw = identity("ed25519", "rawPublicKey")
    const pair = shake({
      client: { peerCertificateTypes: ["rawPublicKey"] },
      server: { selectIdentity: () => raw },
      meddle: onMessage("server", Type.certificate, () => list([raw.chain[0], none], [raw.chain[0], none]))
    })
    expect(pair.client.alert).toBe(Alert.bad_certificate)
  })
  it("left out is noticed", () => {
    expect(certificate(() => [])).toBe(Alert.unexpected_message)
  })
})

describe("a server's CertificateVerify", () => {
  const verify = (change: Change, client?: Partial<TlsClientConfig>) =>
    verdictOn(Type.certificateVerify, change, client, "unproven")
  const withScheme =
    (scheme: number): Change =>
    (m) =>
      withBody(m, bytes(u16(scheme), m.subarray(6)))

  it("made with another key than the certificate's is refused", () => {
    for (const [shown, held] of [
      ["p256", "p384"],
      ["ed25519", "p256"],
      ["rsa", "ed25519"]
    ] as const) {
      const impostor = { ...identity(shown), key: identity(held).key }
      const { client } = shake({ server: { selectIdentity: () => impostor } })
      expect(client.alert).toBe(Alert.decrypt_error)
      expect(client.one("verifyPeer")).toBeUndefined()
    }
    const impostor = { ...identity("p256"), key: identity("p256", "rawPublicKey").key }
    expect(shake({ server: { selectIdentity: () => impostor } }).client.one("verifyPeer")).toBeUndefined()
  })
  it("with a wrong signature is refused", () => {
    expect(verify((m) => flipped(m, -1))).toBe(Alert.decrypt_error)
    expect(verify((m) => withBody(m, bytes(m.subarray(4, 6), u16(0))))).toBe(Alert.decrypt_error)
  })
  it("with a scheme that was not offered is refused", () => {
    for (const scheme of [0x0201, 0x0401, 0x0809, 0xffff])
      expect(verify(withScheme(scheme))).toBe(Alert.illegal_parameter)
  })
  it("with a scheme that does not fit the key is refused", () => {
    for (const scheme of [0x0503, 0x0804, 0x0807])
      expect(verify(withScheme(scheme))).toBe(Alert.decrypt_error)
  })
  it("with trailing bytes is refused", () => {
    expect(verify((m) => withBody(m, bytes(m.subarray(4), Uint8Array.of(0))))).toBe(Alert.decode_error)
  })
  it("of another session is refused", () => {
    const other = shake().sent.find(({ bytes }) => bytes[0] === Type.certificateVerify)!.bytes
    expect(verify(() => other)).toBe(Alert.decrypt_error)
  })
  it("made by a client is refused: the contexts differ", () => {
    const mutual = shake({
      client: { identity: identity() },
      server: { requestClientCertificate: "require" }
    })
    const clients = mutual.sent.filter(({ bytes }) => bytes[0] === Type.certificateVerify).at(-1)!
    expect(clients.from).toBe("client")
    expect(verify(() => clients.bytes)).toBe(Alert.decrypt_error)
  })
  it("left out is noticed: Finished alone proves nothing", () => {
    expect(verify(() => [])).toBe(Alert.unexpected_message)
  })
})

describe("a server's Finished", () => {
  it("that is wrong, or of the wrong length, is refused", () => {
    expect(verdictOn(Type.finished, (m) => flipped(m, 4))).toBe(Alert.decrypt_error)
    expect(verdictOn(Type.finished, (m) => flipped(m, -1))).toBe(Alert.decrypt_error)
    expect(verdictOn(Type.finished, (m) => withBody(m, m.subarray(4, -1)))).toBe(Alert.decode_error)
    expect(verdictOn(Type.finished, (m) => withBody(m, bytes(m.subarray(4), none, u16(0))))).toBe(
      Alert.decode_error
    )
  })
})

describe("a CertificateRequest", () => {
  const request = (change: Change) => {
    const pair = shake({
      client: { identity: identity() },
      server: { requestClientCertificate: "require" },
      meddle: onMessage("server", Type.certificateRequest, change)
    })
    expect(pair.client.facts).toBeUndefined()
    return pair.client.alert
  }
  it("without signature algorithms, or with malformed ones, is refused", () => {
    expect(request((m) => withoutExtension(m, Extension.signature_algorithms))).toBe(Alert.missing_extension)
    expect(request((m) => withExtension(m, Extension.signature_algorithms, u16(1)))).toBe(Alert.decode_error)
  })
  it("with a context is refused", () => {
    expect(request((m) => withBody(m, bytes(Uint8Array.of(1, 1), m.subarray(5))))).toBe(
      Alert.illegal_parameter
    )
  })
  it("may contain unknown extensions", () => {
    expect(request((m) => withExtension(m, 0xfafa, none))).toBe(Alert.decrypt_error)
  })
  it("may occur only once", () => {
    expect(request((m) => [m, m])).toBe(Alert.unexpected_message)
  })
})

describe("messages out of order", () => {
  for (const type of [Type.clientHello, Type.endOfEarlyData, Type.keyUpdate, Type.newSessionTicket, 0, 254])
    for (const before of [Type.serverHello, Type.encryptedExtensions, Type.certificate, Type.finished])
      it(`of type ${type} before message ${before} are refused`, () => {
        expect(verdictOn(before, (m) => [messageOf(type, none), m])).toBe(Alert.unexpected_message)
      })

  it("must not repeat", () => {
    for (const type of [Type.encryptedExtensions, Type.certificate, Type.certificateVerify])
      expect(verdictOn(type, (m) => [m, m])).toBe(Alert.unexpected_message)
  })
})

it("extensionsOf and withExtensions round-trip an unmodified message", () => {
  for (const { bytes: message } of shake().sent)
    if ([1, 2, 8].includes(message[0])) {
      expect(withExtensions(message, (list) => list)).toEqual(message)
      expect(extensionsOf(message).length).toBeGreaterThan(1)
    }
})
