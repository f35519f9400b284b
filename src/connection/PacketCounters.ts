/** What became of the packets a connection received, since the start. */
export class PacketCounters {
  /** Authentic and new. */
  received = 0
  /** Processed before, or too old to tell. */
  duplicates = 0
  /** Authentication failed. */
  undecryptable = 0
  malformed = 0
  /** Not for this connection: another address, version or connection ID. */
  rejected = 0
  withoutKeys = 0
  /** Datagrams beyond `limits.peerPacketsPerSecond`. */
  overLimit = 0

  /** Not for us, malformed, or without keys. */
  get dropped(): number {
    return this.malformed + this.rejected + this.withoutKeys
  }
}
