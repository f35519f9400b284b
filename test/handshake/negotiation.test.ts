import { describe, expect, it } from "vitest"
import { NamedGroup } from "../../src/capability/CryptoSuite.ts"
import { Alert } from "../../src/handshake/alerts.ts"
import { Extension } from "../../src/handshake/extensions.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { bytes, extensionsOf, Type, u16, withExtension, withoutExtension } from "./surgery.ts"
import { identity, onMessage, shake } from "./TlsPair.ts"

const { secp256r1, secp384r1, x25519, x25519MlKem768 } = NamedGroup

const hellos = (pair: ReturnType<typeof shake>) =>
  pair.sent.filter(({ bytes }) => bytes[0] === Type.clientHello).map(({ bytes }) => bytes)

const sharesIn = (hello: Uint8Array): ReadonlyArray<number> => {
  const body = extensionsOf(hello).find(([type]) => type === Extension.key_share)![1]
  const groups: Array<number> = []
  for (let at = 2; at < body.length; at += 4 + ((body[at + 2] << 8) | body[at + 3]))
    groups.push((body[at] << 8) | body[at + 1])
  return groups
}

describe("key exchange", () => {
  it("uses the client's first group without another round trip, though the server prefers another", () => {
    const pair = shake({ client: { groups: [x25519, secp256r1] }, server: { groups: [secp256r1, x25519] } })
    expect(pair.client.facts!.group).toBe(x25519)
    expect(hellos(pair)).toHaveLength(1)
  })

  it("chooses by the server's order among several shares", () => {
    const pair = shake({
      client: { groups: [x25519, secp256r1], keyShareGroups: [x25519, secp256r1] },
      server: { groups: [secp256r1, x25519] }
    })
    expect(pair.server.facts!.group).toBe(secp256r1)
    expect(sharesIn(hellos(pair)[0])).toEqual([x25519, secp256r1])
  })

  it("needs no extra round trip with a server that has X25519 and no ML-KEM", () => {
    const pair = shake({ server: { groups: [x25519, secp256r1] } })
    expect(pair.client.facts!.group).toBe(x25519)
    expect(hellos(pair)).toHaveLength(1)
    expect(sharesIn(hellos(pair)[0])).toEqual([x25519MlKem768, x25519])
    expect(shake().server.facts!.group).toBe(x25519MlKem768)
  })

  it("sends the shares in the order of the groups, RFC 8446 §4.2.8", () => {
    const shares = (groups: ReadonlyArray<NamedGroup>, keyShareGroups?: ReadonlyArray<NamedGroup>) =>
      sharesIn(hellos(shake({ client: { groups, keyShareGroups }, server: { groups } }))[0])
    expect(shares([x25519, x25519MlKem768])).toEqual([x25519])
    expect(shares([secp256r1, secp384r1])).toEqual([secp256r1])
    expect(shares([secp256r1, secp384r1, x25519])).toEqual([secp256r1, x25519])
    expect(shares([x25519MlKem768, x25519], [x25519MlKem768])).toEqual([x25519MlKem768])
    expect(shares([secp384r1, x25519, secp256r1], [secp256r1, secp384r1])).toEqual([secp384r1, secp256r1])
  })

  it("sends one X25519 key, in the hybrid's share and in its own, and either can be chosen, RFC 9954 §3.2", () => {
    for (const both of [
      [x25519MlKem768, x25519],
      [x25519, x25519MlKem768]
    ])
      for (const chosen of both) {
        const pair = shake({ client: { groups: both, keyShareGroups: both }, server: { groups: [chosen] } })
        const body = extensionsOf(hellos(pair)[0]).find(([type]) => type === Extension.key_share)![1]
        const [alone, hybrid] = both[0] === x25519 ? [6, 6 + 32 + 4] : [6 + 1216 + 4, 6]
        expect(body.subarray(alone, alone + 32)).toEqual(body.subarray(hybrid + 1184, hybrid + 1216))
        expect(sharesIn(hellos(pair)[0])).toEqual(both)
        expect(pair.server.facts!.group).toBe(chosen)
        expect(pair.client.secret(Level.OneRtt, "write")).toBe(pair.server.secret(Level.OneRtt, "read"))
      }
  })

  for (const [asked, name] of [
    [secp256r1, "P-256"],
    [secp384r1, "P-384"],
    [x25519MlKem768, "X25519MLKEM768"]
  ] as const)
    it(`requests ${name} with HelloRetryRequest if there is no share for it`, () => {
      const pair = shake({ client: { groups: [x25519, asked] }, server: { groups: [asked] } })
      expect(pair.client.facts!.group).toBe(asked)
      expect(pair.client.secret(Level.OneRtt, "write")).toBe(pair.server.secret(Level.OneRtt, "read"))
      const [first, second] = hellos(pair)
      expect(sharesIn(first)).toEqual([x25519])
      expect(sharesIn(second)).toEqual([asked])
      // RFC 8446 §4.1.2: nothing else changes
      expect(withoutExtension(second, Extension.key_share)).toEqual(
        withoutExtension(first, Extension.key_share)
      )
    })

  it("works with a client that sends no share at all", () => {
    const pair = shake({ client: { keyShareGroups: [] } })
    expect(hellos(pair)).toHaveLength(2)
    expect(pair.client.facts).toBeDefined()
  })

  it("retries with every hash", () => {
    for (const cipher of [0x1301, 0x1302, 0x1303]) {
      const { client, server } = shake({
        client: { groups: [x25519, secp256r1], cipherSuites: [cipher] },
        server: { groups: [secp256r1] }
      })
      expect(client.facts!.cipherSuite).toBe(cipher)
      expect(server.facts).toBeDefined()
    }
  })

  it("fails when no group is in common", () => {
    const { server } = shake({ client: { groups: [x25519] }, server: { groups: [secp256r1] } })
    expect(server.alert).toBe(Alert.handshake_failure)
  })

  it("echoes the cookie of a HelloRetryRequest", () => {
    const cookie = bytes(u16(5), Uint8Array.of(1, 2, 3, 4, 5))
    let retried = false
    const pair = shake({
      client: { groups: [x25519, secp256r1] },
      server: { groups: [secp256r1] },
      meddle: onMessage("server", Type.serverHello, (message) => {
        if (retried) return message
        retried = true
        return withExtension(message, Extension.cookie, cookie)
      })
    })
    const [, second] = hellos(pair)
    expect(extensionsOf(second)).toContainEqual([Extension.cookie, cookie])
    // the server did not send it, so the transcripts differ
    expect(pair.client.alert).toBe(Alert.decrypt_error)
  })
})

describe("cipher suites", () => {
  it("follow the server's order", () => {
    const { client } = shake({ server: { cipherSuites: [0x1303, 0x1301] } })
    expect(client.facts!.cipherSuite).toBe(0x1303)
  })

  it("may be offered even if unknown here", () => {
    const { server, client } = shake({ client: { cipherSuites: [0x0a0a, 0x1305, 0x1302] } })
    expect(server.facts!.cipherSuite).toBe(0x1302)
    expect(client.facts).toBeDefined()
  })

  it("must have one in common", () => {
    const { server } = shake({ client: { cipherSuites: [0x1301] }, server: { cipherSuites: [0x1302] } })
    expect(server.alert).toBe(Alert.handshake_failure)
  })
})

describe("application protocols", () => {
  it("follow the server's order", () => {
    const { client, server } = shake({ client: { alpn: ["a", "b", "c"] }, server: { alpn: ["x", "c", "b"] } })
    expect(client.facts!.alpn).toBe("c")
    expect(server.facts!.alpn).toBe("c")
  })

  // RFC 9001 §8.1 #2 #4 #5
  it("must have one in common, or the error names what the client offered", () => {
    const { server } = shake({ client: { alpn: ["h3", "hq"] }, server: { alpn: ["x"] } })
    expect(server.one("failed")).toMatchObject({ alert: Alert.no_application_protocol, code: 0x178 })
    expect(server.one("failed")!.reason).toContain("h3, hq")
  })

  // RFC 9000 §7 #2, RFC 9001 §8.1 #1 #2 #3
  it("cannot be omitted by either side", () => {
    const client = shake({
      meddle: onMessage("client", Type.clientHello, (message) => withoutExtension(message, Extension.alpn))
    })
    expect(client.server.alert).toBe(Alert.no_application_protocol)
    const server = shake({
      meddle: onMessage("server", Type.encryptedExtensions, (message) =>
        withoutExtension(message, Extension.alpn)
      )
    })
    expect(server.client.alert).toBe(Alert.no_application_protocol)
  })

  it("may have names that are not valid UTF-8", () => {
    const list = Uint8Array.of(0, 8, 2, 0xff, 0xfe, 4, ...Buffer.from("test"))
    const { server } = shake({
      meddle: onMessage("client", Type.clientHello, (message) => withExtension(message, Extension.alpn, list))
    })
    expect(server.one("keys")).toBeDefined()
  })
})

describe("server identities", () => {
  it("are selected by name, or the client gets unrecognized_name", () => {
    const server = { selectIdentity: () => undefined }
    expect(shake({ server }).server.alert).toBe(Alert.unrecognized_name)
  })

  it("sign with a scheme that the client accepts, or not at all", () => {
    const onlyRsa = bytes(u16(2), u16(0x0804))
    const { server } = shake({
      meddle: onMessage("client", Type.clientHello, (message) =>
        withExtension(message, Extension.signature_algorithms, onlyRsa)
      )
    })
    expect(server.alert).toBe(Alert.handshake_failure)
  })

  it("are raw keys only for clients that accept raw keys", () => {
    const server = { selectIdentity: () => identity("ed25519", "rawPublicKey") }
    expect(shake({ server }).server.alert).toBe(Alert.unsupported_certificate)
    expect(
      shake({ server, client: { peerCertificateTypes: ["x509", "rawPublicKey"] } }).client.facts!.peer!._tag
    ).toBe("rawPublicKey")
  })

  it("are certificates only for clients that accept certificates", () => {
    expect(shake({ client: { peerCertificateTypes: ["rawPublicKey"] } }).server.alert).toBe(
      Alert.unsupported_certificate
    )
    // a server without support for the extension answers with a certificate
    const { client } = shake({
      client: { peerCertificateTypes: ["rawPublicKey"] },
      meddle: onMessage("client", Type.clientHello, (message) =>
        withoutExtension(message, Extension.server_certificate_type)
      )
    })
    expect(client.alert).toBe(Alert.unsupported_certificate)
  })
})

describe("client authentication", () => {
  const asking = (requestClientCertificate: "request" | "require") => ({ requestClientCertificate })

  for (const key of ["ed25519", "p256", "p384", "rsa"] as const)
    it(`authenticates with a certificate of ${key}`, () => {
      const { client, server } = shake({ client: { identity: identity(key) }, server: asking("require") })
      expect(server.facts!.peer).toEqual({ _tag: "x509", chain: identity(key).chain })
      expect(server.facts!.signatureScheme).toBe(identity(key).key.schemes[0])
      expect(client.facts).toBeDefined()
    })

  it("may be requested and declined", () => {
    const { client, server } = shake({ server: asking("request") })
    expect(server.facts!.peer).toBeUndefined()
    expect(server.one("verifyPeer")).toBeUndefined()
    expect(client.facts).toBeDefined()
  })

  it("must be provided when it is required", () => {
    const { server } = shake({ server: asking("require") })
    expect(server.one("failed")).toMatchObject({ alert: Alert.certificate_required, code: 0x174 })
    expect(server.secret(Level.OneRtt, "read")).toBeUndefined()
  })

  it("is not provided unrequested", () => {
    const pair = shake({ client: { identity: identity() } })
    expect(pair.sent.filter(({ from, bytes }) => from === "client" && bytes[0] === Type.certificate)).toEqual(
      []
    )
    expect(pair.server.facts!.peer).toBeUndefined()
  })

  it("is not provided in a scheme or form that the server does not accept", () => {
    const raw = { identity: identity("ed25519", "rawPublicKey") }
    const server = { ...asking("request"), peerCertificateTypes: ["x509"] as const }
    expect(shake({ client: raw, server }).server.facts!.peer).toBeUndefined()
    expect(shake({ client: raw, server: asking("require") }).server.alert).toBe(Alert.unsupported_certificate)
    const p384Only = onMessage("server", Type.certificateRequest, (message) =>
      withExtension(message, Extension.signature_algorithms, bytes(u16(2), u16(0x0503)))
    )
    const pair = shake({
      client: { identity: identity("p256") },
      server: asking("request"),
      meddle: p384Only
    })
    const shown = pair.sent.find(({ from, bytes }) => from === "client" && bytes[0] === Type.certificate)
    expect(shown?.bytes.length ?? 8).toBe(8)
  })

  it("is not requested if the client has nothing that the server accepts", () => {
    const pair = shake({ server: { ...asking("request"), peerCertificateTypes: ["rawPublicKey"] } })
    expect(pair.sent.some(({ bytes }) => bytes[0] === Type.certificateRequest)).toBe(false)
    expect(pair.server.facts).toBeDefined()
  })
})

describe("the verdict on the peer", () => {
  // RFC 9001 §5.7 #1 #3
  it("blocks the client: no 1-RTT keys and no Finished before it", () => {
    const pair = shake({ verdict: () => ({ ok: false, alert: Alert.unknown_ca, reason: "who is that?" }) })
    expect(pair.client.one("failed")).toEqual({
      _tag: "failed",
      alert: Alert.unknown_ca,
      code: 0x130,
      reason: "who is that?"
    })
    expect(pair.client.secret(Level.OneRtt, "write")).toBeUndefined()
    expect(pair.server.facts).toBeUndefined()
  })

  it("blocks the server in the same way", () => {
    const pair = shake({
      client: { identity: identity() },
      server: { requestClientCertificate: "require" },
      verdict: (judge) =>
        judge === "client" ? { ok: true } : { ok: false, alert: Alert.access_denied, reason: "not today" }
    })
    expect(pair.server.alert).toBe(Alert.access_denied)
    expect(pair.server.secret(Level.OneRtt, "read")).toBeUndefined()
  })

  it("is requested only once the peer has proven possession of its key", () => {
    const { client } = shake({
      meddle: onMessage("server", Type.certificateVerify, () => [])
    })
    expect(client.one("verifyPeer")).toBeUndefined()
  })

  it("changes nothing if it was not requested", () => {
    const pair = shake()
    pair.client.session.handleVerdict({ ok: false, alert: 42, reason: "late" })
    pair.settle()
    expect(pair.client.alert).toBeUndefined()
  })
})
