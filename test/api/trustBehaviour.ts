/** Authentication, and negotiated cryptography. */
import * as Effect from "effect/Effect"
import * as Clock from "effect/Clock"
import * as Layer from "effect/Layer"
import { describe, expect } from "vitest"
import * as NodeCertificateVerifier from "../../layers/node/NodeCertificateVerifier.ts"
import * as NodeIdentity from "../../layers/node/NodeIdentity.ts"
import * as NobleCryptoSuite from "../../layers/noble/NobleCryptoSuite.ts"
import {
  basicConstraints,
  ExtendedKeyUsage,
  extendedKeyUsage,
  keyUsage,
  subjectAltName
} from "../../layers/node/certificates/issueCertificate.ts"
import {
  day,
  digitalSignature,
  type Issued,
  issueLeaf,
  issueRoot,
  leafExtensions,
  type Wish
} from "../identity/certificateFactory.ts"
import { CertificateVerifier } from "../../src/capability/CertificateVerifier.ts"
import { Identity, PeerId, type QuicConnection, Trust } from "../../src/index.ts"
import { endpoints, pair, pinned, reasonOf, text } from "./pair.ts"
import type { Place, Universe, World } from "./World.ts"
import { LiveCryptoSuite } from "../io.ts"

const rawKey = (place: Place) => Effect.provide(Identity.generateRawKey, place.layer)

const identityOf = (issued: Issued) =>
  Effect.provide(
    Identity.fromDer({
      chain: [issued.der],
      privateKey: new Uint8Array(issued.key.export({ type: "pkcs8", format: "der" }))
    }),
    LiveCryptoSuite.layer
  )

/** A server for example.org, and a client that trusts its certificate's CA. */
const issuedBy = Effect.fnUntraced(function* (world: World, leaf: (now: number) => Wish) {
  const now = yield* Clock.currentTimeMillis
  const root = issueRoot({ notBefore: now - 100 * day, notAfter: now + 100 * day })
  const identity = yield* identityOf(issueLeaf({ by: root, ...leaf(now) }))
  return yield* endpoints(world, {
    server: { identity },
    client: { serverName: "example.org" },
    clientTrust: Layer.orDie(NodeCertificateVerifier.layerAuthorities([root.der]))
  })
})

/** Leaf certificates for example.org, issued by a trusted CA. */
const flawedLeaves: ReadonlyArray<{
  readonly name: string
  readonly alert: number
  readonly leaf: (now: number) => Wish
}> = [
  {
    name: "has expired",
    alert: 45,
    leaf: (now) => ({ notBefore: now - 2 * day, notAfter: now - day })
  },
  {
    name: "is not valid yet",
    alert: 45,
    leaf: (now) => ({ notBefore: now + day, notAfter: now + 2 * day })
  },
  {
    name: "is for clients",
    alert: 43,
    leaf: (now) => ({
      notBefore: now - day,
      notAfter: now + day,
      extensions: [
        basicConstraints(false),
        keyUsage(digitalSignature),
        extendedKeyUsage(ExtendedKeyUsage.clientAuth),
        subjectAltName(["example.org"])
      ]
    })
  },
  {
    name: "names somebody else",
    alert: 42,
    leaf: (now) => ({
      notBefore: now - day,
      notAfter: now + day,
      extensions: leafExtensions("example.com")
    })
  }
]

/** Sends one byte in each direction. */
const exchangeByte = Effect.fnUntraced(function* (near: QuicConnection, far: QuicConnection) {
  const stream = yield* near.openBidi
  yield* stream.write(text("?"))
  const peer = yield* far.acceptBidi
  expect(yield* peer.read()).toEqual(text("?"))
  yield* peer.write(text("!"))
  expect(yield* stream.read()).toEqual(text("!"))
})

const withSuite = (place: Place, suite: typeof LiveCryptoSuite.layer): Place => ({
  ...place,
  layer: Layer.merge(place.layer, suite)
})

export const trustBehaviour = ({ it }: Universe): void => {
  describe("a server", () => {
    it("that is not the one pinned is refused, and learns why", (world) =>
      Effect.gen(function* () {
        const other = yield* NodeIdentity.developmentCertificate()
        const { client, server, connectOptions } = yield* endpoints(world, { clientTrust: pinned(other) })
        const reason = yield* reasonOf(client.connect(connectOptions))
        expect(reason).toMatchObject({ _tag: "HandshakeRefused", origin: "local", alert: 46 })
        expect(yield* Effect.timeoutOption(server.accept, "100 millis")).toMatchObject({ _tag: "None" })
      }))

    it("of another name is refused, and the error says which", (world) =>
      Effect.gen(function* () {
        const { client, connectOptions } = yield* endpoints(world)
        const reason = yield* reasonOf(client.connect({ ...connectOptions, serverName: "example.org" }))
        expect(reason).toMatchObject({ _tag: "HandshakeRefused", origin: "local" })
        expect(reason.message).toContain("example.org")
      }))

    it("whose certificate a trusted authority issued is accepted", (world) =>
      Effect.gen(function* () {
        const { client, server, connectOptions } = yield* issuedBy(world, (now) => ({
          notBefore: now - day,
          notAfter: now + day
        }))
        const near = yield* client.connect(connectOptions)
        yield* exchangeByte(near, yield* server.accept)
      }))

    for (const { name, alert, leaf } of flawedLeaves)
      it(`whose certificate ${name} is refused`, (world) =>
        Effect.gen(function* () {
          const { client, connectOptions } = yield* issuedBy(world, leaf)
          const reason = yield* reasonOf(client.connect(connectOptions))
          expect(reason).toMatchObject({ _tag: "HandshakeRefused", origin: "local", alert })
        }))

    it("that shows a certificate to a client that takes only raw keys is refused", (world) =>
      Effect.gen(function* () {
        const { client, connectOptions } = yield* endpoints(world, { clientTrust: Trust.layerAnyRawKey })
        const reason = yield* reasonOf(client.connect(connectOptions))
        expect(reason).toMatchObject({ _tag: "HandshakeRefused", origin: "peer", alert: 43 })
      }))

    it("of an unknown authority is refused", (world) =>
      Effect.gen(function* () {
        const authority = yield* NodeIdentity.developmentCertificate()
        const { client, connectOptions } = yield* endpoints(world, {
          clientTrust: Layer.orDie(NodeCertificateVerifier.layerAuthorities(authority.chain))
        })
        const reason = yield* reasonOf(client.connect(connectOptions))
        expect(reason).toMatchObject({ _tag: "HandshakeRefused", origin: "local", alert: 48 })
      }))

    it("is chosen by the name the client asks for", (world) =>
      Effect.gen(function* () {
        const one = yield* NodeIdentity.developmentCertificate({ hosts: ["one.test"] })
        const two = yield* NodeIdentity.developmentCertificate({ hosts: ["two.test"] })
        const { client, connectOptions } = yield* endpoints(world, {
          server: { identity: (name) => (name === "one.test" ? one : name === "two.test" ? two : undefined) },
          clientTrust: Layer.orDie(
            NodeCertificateVerifier.layerPinnedCertificates([...one.chain, ...two.chain])
          )
        })
        for (const [name, identity] of [
          ["one.test", one],
          ["two.test", two]
        ] as const) {
          const connection = yield* client.connect({ ...connectOptions, serverName: name })
          expect(connection.facts.peer).toMatchObject({ _tag: "x509", chain: identity.chain, names: [name] })
        }
        const reason = yield* reasonOf(client.connect({ ...connectOptions, serverName: "three.test" }))
        expect(reason).toMatchObject({ _tag: "HandshakeRefused", origin: "peer", alert: 112 })
      }))

    it("whose verifier dies lets nobody in", (world) =>
      Effect.gen(function* () {
        const { client, connectOptions } = yield* endpoints(world, {
          clientTrust: Layer.succeed(CertificateVerifier, {
            certificateTypes: ["x509"],
            verify: () => Effect.die(new Error("a defect in a verifier"))
          })
        })
        const reason = yield* reasonOf(client.connect(connectOptions))
        expect(reason).toMatchObject({ _tag: "HandshakeRefused", origin: "local", alert: 80 })
      }))

    it("waits while a verifier takes its time", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world, {
          clientTrust: Layer.succeed(CertificateVerifier, {
            certificateTypes: ["x509"],
            verify: () => Effect.sleep("300 millis")
          })
        })
        yield* exchangeByte(near, far)
      }))
  })

  describe("raw public keys", () => {
    it("authenticate both sides", (world) =>
      Effect.gen(function* () {
        const ours = yield* rawKey(world.client)
        const theirs = yield* rawKey(world.server)
        const { near, far } = yield* pair(world, {
          server: { identity: theirs, clientCertificate: "require" },
          client: { identity: ours },
          clientTrust: Trust.layerRawKeys([theirs.peerId]),
          serverTrust: Trust.layerRawKeys([ours.peerId])
        })
        expect(near.facts.peer).toMatchObject({ _tag: "rawPublicKey", spki: theirs.spki })
        expect(far.facts.peer).toMatchObject({
          _tag: "rawPublicKey",
          spki: ours.spki,
          fingerprint: PeerId.fromSpki(ours.spki)
        })
        yield* exchangeByte(near, far)
      }))

    it("that are not listed are refused: the server's", (world) =>
      Effect.gen(function* () {
        const theirs = yield* rawKey(world.server)
        const { client, connectOptions } = yield* endpoints(world, {
          server: { identity: theirs },
          clientTrust: Trust.layerRawKeys([])
        })
        const reason = yield* reasonOf(client.connect(connectOptions))
        expect(reason).toMatchObject({ _tag: "HandshakeRefused", origin: "local", alert: 46 })
        expect(reason.message).toContain(theirs.peerId)
      }))

    it("that are not listed are refused: the client's, who learns it from the server", (world) =>
      Effect.gen(function* () {
        const ours = yield* rawKey(world.client)
        const { client, server, connectOptions } = yield* endpoints(world, {
          server: { clientCertificate: "require" },
          client: { identity: ours },
          serverTrust: Trust.layerRawKeys([])
        })
        // the client's handshake is complete by the time the server judges its key
        const end = yield* reasonOf(
          Effect.flatMap(client.connect(connectOptions), (near) => Effect.flatMap(near.closed, Effect.fail))
        )
        expect(end).toMatchObject({ _tag: "HandshakeRefused", origin: "peer", alert: 46 })
        expect(yield* Effect.timeoutOption(server.accept, "100 millis")).toMatchObject({ _tag: "None" })
      }))
  })

  describe("a client certificate", () => {
    it("is not asked for by default", (world) =>
      Effect.gen(function* () {
        const ours = yield* NodeIdentity.developmentCertificate()
        const { far } = yield* pair(world, { client: { identity: ours }, serverTrust: pinned(ours) })
        expect(far.facts.peer).toBeUndefined()
      }))

    it("that is requested may be shown, or not", (world) =>
      Effect.gen(function* () {
        const ours = yield* NodeIdentity.developmentCertificate()
        const { client, server, connectOptions } = yield* endpoints(world, {
          server: { clientCertificate: "request" },
          serverTrust: pinned(ours)
        })
        yield* client.connect(connectOptions)
        expect((yield* server.accept).facts.peer).toBeUndefined()
        yield* client.connect({ ...connectOptions, identity: ours })
        expect((yield* server.accept).facts.peer).toMatchObject({ _tag: "x509", chain: ours.chain })
      }))

    it("that is required and not shown, or not trusted, ends the connection", (world) =>
      Effect.gen(function* () {
        const known = yield* NodeIdentity.developmentCertificate()
        const unknown = yield* NodeIdentity.developmentCertificate()
        const { client, server, connectOptions } = yield* endpoints(world, {
          server: { clientCertificate: "require" },
          serverTrust: pinned(known)
        })
        const attempt = (identity: Identity.Identity | undefined) =>
          reasonOf(
            Effect.flatMap(
              client.connect({ ...connectOptions, ...(identity !== undefined && { identity }) }),
              (near) => Effect.flatMap(near.closed, Effect.fail)
            )
          )
        expect(yield* attempt(undefined)).toMatchObject({
          _tag: "HandshakeRefused",
          origin: "peer",
          alert: 116
        })
        expect(yield* attempt(unknown)).toMatchObject({ _tag: "HandshakeRefused", origin: "peer", alert: 46 })
        yield* client.connect({ ...connectOptions, identity: known })
        expect((yield* server.accept).facts.peer).toMatchObject({ _tag: "x509", chain: known.chain })
      }))
  })

  describe("cryptography", () => {
    for (const [option, name] of [
      ["aes-128-gcm", "TLS_AES_128_GCM_SHA256"],
      ["aes-256-gcm", "TLS_AES_256_GCM_SHA384"],
      ["chacha20-poly1305", "TLS_CHACHA20_POLY1305_SHA256"]
    ] as const)
      it(`${option} is used when it is all the client offers`, (world) =>
        Effect.gen(function* () {
          const { near, far } = yield* pair(world, { client: { cipherSuites: [option] } })
          expect(near.facts.cipherSuite).toBe(name)
          expect(far.facts.cipherSuite).toBe(name)
          yield* exchangeByte(near, far)
        }))

    for (const group of ["x25519MlKem768", "x25519", "secp256r1", "secp384r1"] as const)
      it(`${group} is used when it is all the client offers`, (world) =>
        Effect.gen(function* () {
          const { near, far } = yield* pair(world, { client: { groups: [group] } })
          expect(near.facts.group).toBe(group)
          yield* exchangeByte(near, far)
        }))

    it("a server that takes another group than the client's favourite asks again", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world, {
          server: { groups: ["secp384r1"] },
          client: { groups: ["x25519", "secp256r1", "secp384r1"] }
        })
        expect(near.facts.group).toBe("secp384r1")
        yield* exchangeByte(near, far)
      }))

    it("a server's name is the same however it is typed, and none is sent of an address", (world) =>
      Effect.gen(function* () {
        const seen: Array<string | undefined> = []
        const identity = yield* Effect.orDie(
          NodeIdentity.developmentCertificate({ hosts: ["localhost", world.server.host] })
        )
        const { client, connectOptions } = yield* endpoints(world, {
          clientTrust: pinned(identity),
          server: {
            identity: (name) => {
              seen.push(name)
              return identity
            }
          }
        })
        const { serverName, ...nameless } = connectOptions
        expect(serverName).toBe("localhost")
        for (const typed of ["localhost", "LocalHost.", "LOCALHOST"]) {
          const connection = yield* client.connect({ ...connectOptions, serverName: typed })
          expect(connection.facts.serverName).toBe("localhost")
        }
        yield* client.connect(nameless)
        expect(seen).toEqual(["localhost", "localhost", "localhost", undefined])
        expect(yield* reasonOf(client.connect({ ...nameless, host: "two..dots" }))).toMatchObject({
          _tag: "InvalidOption",
          field: "host",
          problem: '"two..dots" is neither a host name nor an IP address'
        })
      }))

    it("the groups of the first key shares can be said, and are among those offered", (world) =>
      Effect.gen(function* () {
        const groups = ["x25519MlKem768", "x25519", "secp256r1"] as const
        const { near, client, connectOptions } = yield* pair(world, {
          server: { groups: ["x25519", "x25519MlKem768"] },
          client: { groups, keyShareGroups: ["x25519MlKem768"] }
        })
        // the server would have preferred an x25519 share
        expect(near.facts.group).toBe("x25519MlKem768")
        for (const keyShareGroups of [["secp384r1"], [], ["x25519", "x25519"]] as const)
          expect(
            yield* reasonOf(client.connect({ ...connectOptions, groups, keyShareGroups }))
          ).toMatchObject({
            _tag: "InvalidOption",
            field: expect.stringMatching(/^keyShareGroups/)
          })
      }))

    it("without a group in common, the client is refused", (world) =>
      Effect.gen(function* () {
        const { client, connectOptions } = yield* endpoints(world, {
          server: { groups: ["secp384r1"] },
          client: { groups: ["x25519"] }
        })
        expect(yield* reasonOf(client.connect(connectOptions))).toMatchObject({
          _tag: "HandshakeRefused",
          origin: "peer",
          alert: 40
        })
      }))

    const suites = { node: LiveCryptoSuite.layer, noble: NobleCryptoSuite.layer }
    for (const [near, far] of [
      ["node", "noble"],
      ["noble", "node"],
      ["noble", "noble"]
    ] as const)
      it(`of ${near} on the client and ${far} on the server understand each other`, (world) =>
        Effect.gen(function* () {
          const mixed: World = {
            ...world,
            client: withSuite(world.client, suites[near]),
            server: withSuite(world.server, suites[far])
          }
          for (const cipherSuite of ["aes-128-gcm", "aes-256-gcm", "chacha20-poly1305"] as const) {
            const ours = yield* rawKey(mixed.client)
            const theirs = yield* rawKey(mixed.server)
            const both = yield* pair(mixed, {
              server: { identity: theirs, clientCertificate: "require" },
              client: {
                identity: ours,
                cipherSuites: [cipherSuite],
                transport: { handshakeTimeout: 20_000 }
              },
              clientTrust: Trust.layerRawKeys([theirs.peerId]),
              serverTrust: Trust.layerRawKeys([ours.peerId])
            })
            yield* exchangeByte(both.near, both.far)
          }
        }))
  })
}
