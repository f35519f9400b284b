import type { Role } from "../../src/wire/Role.ts"
import { createHash, createPublicKey, verify } from "node:crypto"
import { describe, expect, it } from "vitest"
import { suite as noble } from "../../layers/noble/NobleCryptoSuite.ts"
import { type CryptoSuiteShape, NamedGroup } from "../../src/capability/CryptoSuite.ts"
import { Level } from "../../src/wire/PacketType.ts"
import type { KeyKind } from "../identity/certificateFactory.ts"
import { Extension } from "../../src/handshake/extensions.ts"
import { extensionsOf, Type } from "./surgery.ts"
import { ascii, identity, onMessage, shake, type TlsPair } from "./TlsPair.ts"
import { suite as node } from "../io.ts"

const ciphers = { "AES-128-GCM": 0x1301, "AES-256-GCM": 0x1302, "ChaCha20-Poly1305": 0x1303 }
const groups = Object.entries(NamedGroup)
const keys: ReadonlyArray<KeyKind> = ["ed25519", "p256", "p384", "rsa"]
const suites: ReadonlyArray<readonly [client: CryptoSuiteShape, server: CryptoSuiteShape]> = [
  [node, node],
  [noble, node],
  [node, noble],
  [noble, noble]
]

const expectSameSecrets = ({ client, server }: TlsPair): void => {
  for (const level of [Level.Handshake, Level.OneRtt]) {
    expect(client.secret(level, "write")).toBeDefined()
    expect(client.secret(level, "write")).toBe(server.secret(level, "read"))
    expect(client.secret(level, "read")).toBe(server.secret(level, "write"))
  }
}

describe("both sides agree on all secrets", () => {
  for (const [cipherName, cipher] of Object.entries(ciphers))
    for (const [groupName, group] of groups)
      for (const key of keys)
        it(`with ${cipherName}, ${groupName} and a certificate of ${key}`, () => {
          const pair = shake({
            client: { cipherSuites: [cipher], groups: [group] },
            server: { selectIdentity: () => identity(key) }
          })
          expectSameSecrets(pair)
          expect(pair.client.facts).toMatchObject({
            cipherSuite: cipher,
            group,
            alpn: "test",
            resumed: false
          })
          expect(pair.server.facts).toMatchObject({ cipherSuite: cipher, group, serverName: "example.org" })
          const from = pair.client.secret(Level.OneRtt, "write")!.split(" ")[1]
          expect(from.length).toBe(cipher === 0x1302 ? 96 : 64)
        })

  for (const [client, server] of suites)
    for (const key of keys.filter((key) => key !== "rsa"))
      it(`with ${client.name} talking to ${server.name}, raw keys of ${key} on both sides`, () => {
        const ours = identity(key, "rawPublicKey", client)
        const theirs = identity(key, "rawPublicKey", server)
        const pair = shake({
          client: {
            suite: client,
            groups: client.groups,
            identity: ours,
            peerCertificateTypes: ["rawPublicKey"]
          },
          server: {
            suite: server,
            groups: server.groups,
            selectIdentity: () => theirs,
            requestClientCertificate: "require",
            peerCertificateTypes: ["rawPublicKey"]
          }
        })
        expectSameSecrets(pair)
        expect(pair.client.facts!.peer).toEqual({ _tag: "rawPublicKey", spki: theirs.key.spki })
        expect(pair.server.facts!.peer).toEqual({ _tag: "rawPublicKey", spki: ours.key.spki })
      })
})

describe("events are emitted in the order that packets need them", () => {
  const names = (pair: TlsPair, side: Role) =>
    pair[side].events.map((event) =>
      event._tag === "keys"
        ? `${event.direction} ${["initial", "0-rtt", "handshake", "1-rtt"][event.level]}`
        : event._tag
    )

  it("on the client", () => {
    expect(names(shake(), "client")).toEqual([
      "write handshake",
      "read handshake",
      "transportParameters",
      "verifyPeer",
      "write 1-rtt",
      "read 1-rtt",
      "complete"
    ])
  })

  // RFC 9001 §5.7 #1 #2
  it("on the server, which reads 1-RTT only once the handshake is complete", () => {
    expect(names(shake(), "server")).toEqual([
      "transportParameters",
      "write handshake",
      "read handshake",
      "write 1-rtt",
      "read 1-rtt",
      "complete"
    ])
  })
})

describe("a ClientHello", () => {
  it("offers only TLS 1.3, RFC 9001 §4.2 #1", () => {
    let offered: Uint8Array | undefined
    shake({
      meddle: onMessage("client", Type.clientHello, (message) => {
        offered = extensionsOf(message).find(([type]) => type === Extension.supported_versions)?.[1]
        return message
      })
    })
    expect(offered).toEqual(Uint8Array.of(2, 0x03, 0x04))
  })
})

describe("one side's message contents reach the other", () => {
  it("transport parameters, and the server sees the client's before it writes its own", () => {
    const seen: Array<Uint8Array | undefined> = []
    const { client, server } = shake({
      server: {
        transportParameters: (peer) => {
          seen.push(peer)
          return ascii("made to measure")
        }
      }
    })
    expect(client.one("transportParameters")!.bytes).toEqual(ascii("made to measure"))
    expect(server.one("transportParameters")!.bytes).toEqual(ascii("client parameters"))
    expect(seen).toEqual([ascii("client parameters")])
  })

  it("the server name and what the client accepts, for selecting an identity", () => {
    let asked: object | undefined
    shake({
      client: { serverName: "two.example", peerCertificateTypes: ["rawPublicKey", "x509"] },
      server: {
        selectIdentity: (hello) => {
          asked = hello
          return identity()
        }
      }
    })
    expect(asked).toEqual({
      serverName: "two.example",
      certificateTypes: ["rawPublicKey", "x509"],
      signatureSchemes: node.signatureSchemes
    })
  })

  it("no server name if there is none", () => {
    expect(shake({ client: { serverName: undefined } }).server.facts!.serverName).toBeUndefined()
  })

  it("the certificate chain, leaf first", () => {
    const chain = [...identity("p256").chain, ...identity("ed25519").chain]
    const { client } = shake({ server: { selectIdentity: () => ({ ...identity("p256"), chain }) } })
    expect(client.one("verifyPeer")).toMatchObject({
      peer: { _tag: "x509", chain },
      serverName: "example.org"
    })
    expect(client.facts!.peer).toEqual({ _tag: "x509", chain })
  })
})

describe("CertificateVerify", () => {
  it("signs the context and transcript of RFC 8446 §4.4.3, as another implementation verifies", () => {
    const { sent } = shake({
      client: { identity: identity("p256") },
      server: { selectIdentity: () => identity("ed25519"), requestClientCertificate: "require" }
    })
    const proofs = sent.filter(({ bytes }) => bytes[0] === 15)
    expect(proofs.map(({ from }) => from)).toEqual(["server", "client"])
    for (const proof of proofs) {
      const before = sent.slice(0, sent.indexOf(proof)).map(({ bytes }) => bytes)
      const content = Buffer.concat([
        Buffer.from(`${" ".repeat(64)}TLS 1.3, ${proof.from} CertificateVerify\0`),
        createHash("sha256").update(Buffer.concat(before)).digest()
      ])
      const { spki } = identity(proof.from === "server" ? "ed25519" : "p256").key
      const key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" })
      const hash = proof.from === "server" ? null : "sha256"
      expect(verify(hash, content, key, proof.bytes.subarray(8))).toBe(true)
    }
  })
})

describe("keying material", () => {
  it("is exported equally on both sides, and differs by label and context", () => {
    const { client, server } = shake()
    const export_ = (end: typeof client, label: string, context: string) =>
      Buffer.from(end.session.postHandshake!.exporter.derive(label, ascii(context), 42)).toString("hex")
    expect(export_(client, "EXPORTER-test", "a")).toBe(export_(server, "EXPORTER-test", "a"))
    expect(export_(client, "EXPORTER-test", "a")).toHaveLength(84)
    expect(export_(client, "EXPORTER-test", "b")).not.toBe(export_(client, "EXPORTER-test", "a"))
    expect(export_(client, "EXPORTER-else", "a")).not.toBe(export_(client, "EXPORTER-test", "a"))
  })

  it("is not exported before the handshake is complete", () => {
    const { server } = shake({
      meddle: (from, message) => (from === "client" && message[0] === 20 ? [] : message)
    })
    expect(server.session.postHandshake).toBeUndefined()
  })

  it("is written as SSLKEYLOGFILE lines that both sides agree on, when enabled", () => {
    const { client, server } = shake({ client: { keyLog: true }, server: { keyLog: true } })
    const lines = client.all("keyLog").map(({ line }) => line)
    expect(lines.map((line) => line.split(" ")[0])).toEqual([
      "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
      "SERVER_HANDSHAKE_TRAFFIC_SECRET",
      "CLIENT_TRAFFIC_SECRET_0",
      "SERVER_TRAFFIC_SECRET_0",
      "EXPORTER_SECRET"
    ])
    for (const line of lines) expect(line).toMatch(/^[A-Z_0-9]+ [0-9a-f]{64} [0-9a-f]{64}$/)
    expect(server.all("keyLog").map(({ line }) => line)).toEqual(lines)
    expect(shake().client.all("keyLog")).toEqual([])
  })
})
