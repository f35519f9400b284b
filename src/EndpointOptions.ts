/** What an endpoint is made with, and whom it is to reach: the schemas that check it, and the types callers write. */
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { Identity } from "./Identity.ts"
import type { TransportOptions } from "./QuicOptions.ts"
import { keyShareGroups, TlsPreferences } from "./TlsOptions.ts"

/** What is in a URL besides a host would be taken for a part of its name. Two colons at least are an IPv6 address. */
const Host = Schema.String.check(
  Schema.isPattern(/^(?![^:]*:[^:]*$)[^\s/\\[\]?#@]+$/, {
    expected: "a host name or an IP literal, without a scheme, brackets, port or path"
  })
)

export const BindSchema = Schema.Struct({
  host: Schema.optionalKey(Host),
  port: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))),
  connectionIdBytes: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 4, maximum: 20 }))),
  /** Connections that wait for `accept`, 1 … 65536, 128 when left out: while there are as many, clients are refused. */
  acceptBacklog: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65_536 })))
})

export const RebindSchema = Schema.Struct({ host: BindSchema.fields.host, port: BindSchema.fields.port })

const PlaceSchema = Schema.Struct({
  host: Host,
  port: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65_535 })))
})

export const ServerSchema = Schema.Struct({
  ...TlsPreferences,
  /**
   * Where clients are asked to go once they are connected: an address of this host per family, for instance the one of
   * this machine behind an address many share. The port is the endpoint's when left out. RFC 9000 §9.6
   */
  preferredAddress: Schema.optionalKey(
    Schema.Struct({ ipv4: Schema.optionalKey(PlaceSchema), ipv6: Schema.optionalKey(PlaceSchema) })
  ),
  clientCertificate: Schema.optionalKey(Schema.Literals(["none", "request", "require"])),
  /**
   * When a client proves its address, at the cost of a round trip, before its handshake costs anything (RFC 9000
   * §8.1.2). A client that was here before brings its proof along and is not sent away. `underLoad`, the default,
   * begins with `retryHandshakes` unfinished handshakes: 1 … 1000000, 256 when left out.
   */
  retry: Schema.optionalKey(Schema.Literals(["never", "always", "underLoad"])),
  retryHandshakes: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 }))),
  /**
   * Handshakes that may be unfinished at once, those that wait for their turn among them: 1 … 1000000, 1024 when left
   * out. Each keeps some 40 kB. A client beyond them, and one that would wait for more than half of
   * `transport.handshakeTimeoutMillis`, is refused at once (CONNECTION_REFUSED). RFC 9000 §21.2
   */
  maxHandshakes: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 }))),
  /** How long clients may resume their sessions, 86400 when left out; 0 issues no tickets. RFC 8446 §4.6.1 */
  ticketLifetimeSeconds: Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 604_800 }))
  ),
  /**
   * Takes 0-RTT data, and hands out such connections before their handshake is complete: `handshakeComplete` waits for
   * that. Each first flight is taken once (see `ReplayGuard`), which no guard can promise across servers that do not
   * share it: do nothing on early data that may not be done twice. RFC 8446 §8
   */
  earlyData: Schema.optionalKey(Schema.Boolean)
})

export const ConnectSchema = Schema.Struct({
  host: Host,
  port: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65_535 })),
  serverName: Schema.optionalKey(Schema.String.check(Schema.isBetweenLength(1, 254))),
  earlyData: Schema.optionalKey(Schema.Boolean),
  ...TlsPreferences,
  keyShareGroups
})

/** How to take connections. */
export interface ServerOptions extends Partial<typeof ServerSchema.Type> {
  /** Application protocols, best first (RFC 7301). A client that offers none of them is refused. */
  readonly alpn: ReadonlyArray<string>
  /**
   * What the server authenticates with: one identity, or a choice by SNI. A name is in A-labels and lower case, and no
   * address; undefined when the client names no server.
   */
  readonly identity: Identity | ((serverName: string | undefined) => Identity | undefined)
  readonly transport?: TransportOptions
}

export interface EndpointOptions extends Partial<typeof BindSchema.Type> {
  /**
   * An IP literal to bind. Left out: `0.0.0.0` for a server; for a client `::`, which reaches both families, or `0.0.0.0`
   * where the system has no IPv6.
   */
  readonly host?: string
  /** 0, or left out: a free one. */
  readonly port?: number
  /**
   * At least 32 unpredictable bytes, kept by the application: with them an endpoint that was restarted can tell the peers
   * of its former connections that these are gone (stateless reset), which otherwise find out by their idle timeout. For
   * one endpoint at a time: another one alive could be made to reset what is not its own. RFC 9000 §10.3.2, §21.11
   */
  readonly resetSecret?: Redacted.Redacted<Uint8Array>
  /** Set to take connections; without it the endpoint is a client. */
  readonly server?: ServerOptions
}

/** Whom to reach, and how. */
export interface ConnectOptions extends Partial<typeof ConnectSchema.Type> {
  /**
   * A host name, or an IP literal however it is written; a link-local one says on which link, as in `fe80::1%eth0` or
   * `fe80::1%4`. Of a name's addresses the IPv4 ones come first, and those that cannot be reached are passed over. Fails
   * with `Unreachable` at once where it is known that nothing can be sent to it.
   */
  readonly host: string
  readonly port: number
  /** Application protocols, best first. */
  readonly alpn: ReadonlyArray<string>
  /**
   * The name the certificate must carry, and SNI; `host` when left out. In any script and capitals, with a final dot or
   * without: servers and verifiers see its A-labels, in lower case. Of an address no SNI is sent. RFC 6066 §3
   */
  readonly serverName?: string
  /**
   * Does not wait for the handshake when a session ticket for the server allows 0-RTT. What is written before
   * `connection.handshakeComplete` leaves in the first flight, to the server that the ticket is of; an attacker can
   * replay it to that server. If the server does not take it, streams send it again after the handshake, and datagrams
   * are lost; `facts.earlyData` tells. Without a fitting ticket it is an ordinary `connect`. RFC 9001 §4.6, §5.6 #1
   */
  readonly earlyData?: boolean
  /** Shown to a server that asks. */
  readonly identity?: Identity
  readonly transport?: TransportOptions
}
