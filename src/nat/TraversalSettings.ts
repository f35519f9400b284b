/** What an application allows and asks of NAT traversal, checked and with every default filled in. */

/** A node that tells this endpoint its address. */
export interface BootstrapNode {
  /** Name or IP literal. */
  readonly host: string
  readonly port: number
  /** The Ed25519 key the node must hold; undefined if the verifier decides. */
  readonly publicKey: Uint8Array | undefined
  /** URL of the relay of this endpoint that answers there; undefined if it is none. */
  readonly relay: string | undefined
}

export interface TraversalSettings {
  readonly role: "client" | "server" | "bootstrap"
  readonly bootstraps: ReadonlyArray<BootstrapNode>
  /** Per connection, of either side. */
  readonly maxCandidates: number
  readonly coordinationTimeoutMillis: number
  /** Not more than `maxCandidates`. */
  readonly maxConcurrentAttempts: number
  /** Undefined: if this host has a private address itself. */
  readonly allowPrivate: boolean | undefined
  readonly predictPorts: boolean
  /** Of connections that serve address discovery. */
  readonly discoveryAlpn: string
}

/** ALPN of address discovery, as of iroh's relays. */
export const DISCOVERY_ALPN = "/iroh-qad/0"

/** UDP port of address discovery, as of iroh's relays. */
export const DISCOVERY_PORT = 7842
