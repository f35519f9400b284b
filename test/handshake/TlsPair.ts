/** A TLS client and server that exchange messages one by one, with an optional attacker in between. */
import type { Role } from "../../src/wire/Role.ts"
import { randomBytes } from "node:crypto"
import type { CryptoSuiteShape } from "../../src/capability/CryptoSuite.ts"
import { TlsClient } from "../../src/handshake/TlsClient.ts"
import { TlsServer } from "../../src/handshake/TlsServer.ts"
import type {
  PeerVerdict,
  TlsClientConfig,
  TlsEvent,
  TlsFacts,
  TlsIdentity,
  TlsServerConfig,
  TlsSession
} from "../../src/handshake/TlsSession.ts"
import type { Level } from "../../src/wire/PacketType.ts"
import { issueLeaf, type KeyKind, newKey } from "../identity/certificateFactory.ts"
import { suite as nodeSuite } from "../io.ts"

/** Sees each handshake message in transit and returns what arrives: bytes, several messages, or nothing. */
export type Interceptor = (from: Role, message: Uint8Array, level: Level) => Message | ReadonlyArray<Message>
type Message = Uint8Array | { readonly level: Level; readonly bytes: Uint8Array }

const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length))

const identities = new Map<string, TlsIdentity>()

/** The same identity for the same arguments; a P-256 certificate by default. */
export const identity = (
  key: KeyKind = "p256",
  kind: TlsIdentity["kind"] = "x509",
  suite: CryptoSuiteShape = nodeSuite
): TlsIdentity => {
  const name = `${key} ${kind} ${suite.name}`
  const known = identities.get(name)
  if (known !== undefined) return known
  const privateKey = newKey(key)
  const signing = suite.signingKey(new Uint8Array(privateKey.export({ format: "der", type: "pkcs8" })))!
  const chain = kind === "x509" ? [issueLeaf({ key: privateKey }).der] : [signing.spki]
  const made = { kind, chain, key: signing }
  identities.set(name, made)
  return made
}

export const ascii = (text: string): Uint8Array => new TextEncoder().encode(text)

const common = {
  suite: nodeSuite,
  random,
  cipherSuites: [0x1301, 0x1302, 0x1303],
  groups: nodeSuite.groups,
  alpn: ["test"],
  peerCertificateTypes: ["x509"],
  keyLog: false
} as const

export const clientConfig = (wish: Partial<TlsClientConfig> = {}): TlsClientConfig => ({
  ...common,
  transportParameters: () => ascii("client parameters"),
  serverName: "example.org",
  identity: undefined,
  ...wish
})

export const serverConfig = (wish: Partial<TlsServerConfig> = {}): TlsServerConfig => ({
  ...common,
  transportParameters: () => ascii("server parameters"),
  selectIdentity: () => identity(),
  requestClientCertificate: "none",
  ...wish
})

export interface PairOptions {
  readonly client?: Partial<TlsClientConfig>
  readonly server?: Partial<TlsServerConfig>
  readonly meddle?: Interceptor
  readonly verdict?: (judge: Role) => PeerVerdict
}

/** One end: its session, and everything it has emitted. */
export class TlsEnd {
  readonly session: TlsSession
  readonly events: Array<TlsEvent> = []

  constructor(session: TlsSession) {
    this.session = session
  }

  all<T extends TlsEvent["_tag"]>(tag: T): ReadonlyArray<Extract<TlsEvent, { _tag: T }>> {
    return this.events.filter((event): event is Extract<TlsEvent, { _tag: T }> => event._tag === tag)
  }

  one<T extends TlsEvent["_tag"]>(tag: T): Extract<TlsEvent, { _tag: T }> | undefined {
    return this.all(tag)[0]
  }

  get facts(): TlsFacts | undefined {
    return this.one("complete")?.facts
  }

  /** The alert it failed with. */
  get alert(): number | undefined {
    return this.one("failed")?.alert
  }

  secret(level: Level, direction: "read" | "write"): string | undefined {
    const keys = this.all("keys").find((each) => each.level === level && each.direction === direction)
    return keys && `${keys.cipherSuite} ${Buffer.from(keys.secret).toString("hex")}`
  }
}

export class TlsPair {
  readonly client: TlsEnd
  readonly server: TlsEnd
  /** The messages as sent, in order. */
  readonly sent: Array<{ readonly from: Role; readonly level: Level; readonly bytes: Uint8Array }> = []
  private readonly meddle: Interceptor
  private readonly verdict: (judge: Role) => PeerVerdict

  constructor({ client, server, meddle, verdict }: PairOptions = {}) {
    this.client = new TlsEnd(new TlsClient(clientConfig(client)))
    this.server = new TlsEnd(new TlsServer(serverConfig(server)))
    this.meddle = meddle ?? ((_from, message) => message)
    this.verdict = verdict ?? (() => ({ ok: true }))
  }

  /** Starts the handshake, and delivers messages until there are none left. */
  run(): this {
    this.client.session.start()
    this.server.session.start()
    this.settle()
    return this
  }

  settle(): void {
    for (let moved = true; moved; ) {
      const fromClient = this.take("client")
      const fromServer = this.take("server")
      moved = fromClient || fromServer
    }
  }

  /** Delivers bytes to one end as if they had arrived. */
  inject(to: Role, level: Level, bytes: Uint8Array): void {
    this[to].session.handleCrypto(level, bytes)
    this.settle()
  }

  private take(from: Role): boolean {
    const { session, events } = this[from]
    let moved = false
    for (let event = session.pollEvent(); event !== undefined; event = session.pollEvent()) {
      moved = true
      events.push(event)
      if (event._tag === "verifyPeer") session.handleVerdict(this.verdict(from))
    }
    const to = from === "client" ? this.server : this.client
    for (let out = session.pollOutput(); out !== undefined; out = session.pollOutput()) {
      moved = true
      const { level, bytes } = out
      this.sent.push({ from, level, bytes })
      const arriving = this.meddle(from, bytes, level)
      for (const each of Array.isArray(arriving) ? arriving : [arriving as Message])
        if (each instanceof Uint8Array) to.session.handleCrypto(level, each)
        else to.session.handleCrypto(each.level, each.bytes)
    }
    return moved
  }
}

export const shake = (options: PairOptions = {}): TlsPair => new TlsPair(options).run()

/** An interceptor for messages of one type from one side. */
export const onMessage =
  (from: Role, type: number, change: (message: Uint8Array) => ReturnType<Interceptor>): Interceptor =>
  (sender, message) =>
    sender === from && message[0] === type ? change(message) : message
