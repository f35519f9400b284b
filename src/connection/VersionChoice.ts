import type { Role } from "../wire/Role.ts"
import { PacketType, Level, Version } from "../wire/PacketType.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import type { TransportParameters } from "../wire/TransportParameters.ts"

type VersionInformation = NonNullable<TransportParameters["versionInformation"]>

/**
 * Negotiates the version of a connection. RFC 9368, RFC 9369 §4
 *
 * The client's first flight uses the original version. The server may switch to another one the client offered; the
 * client learns of it from the first header that differs. The `version_information` of both sides must match the
 * headers, which rules out a downgrade by an attacker.
 */
export class VersionChoice {
  /** The version of the client's first flight; after Version Negotiation, of the second. */
  original: Version
  /** The version of everything but 0-RTT, which stays with the original. */
  negotiated: Version
  /** `negotiated` is final. */
  settled = false
  /** client: restarted by a Version Negotiation packet. */
  restarted = false
  /** Best first. */
  private readonly supported: ReadonlyArray<Version>
  private readonly role: Role

  constructor(role: Role, supported: ReadonlyArray<Version>, original: Version) {
    this.role = role
    this.supported = supported
    this.original = this.negotiated = original
  }

  /** Our version_information. RFC 9368 §3 */
  get information(): VersionInformation {
    return { chosen: this.role === "client" ? this.original : this.negotiated, available: this.supported }
  }

  /** The version in long headers of `level`. RFC 9369 §4.1: 0-RTT never switches */
  ofLevel(level: Level): Version {
    return level === Level.ZeroRtt ? this.original : this.negotiated
  }

  /** Whether a long header of this type and version can belong to the connection. RFC 9369 §4.1 */
  admits(type: PacketType, version: number): version is Version {
    if (type === PacketType.Handshake && version === this.negotiated) return true
    if (type !== PacketType.Handshake && version === this.original) return true
    if (type !== PacketType.Handshake && type !== PacketType.Initial) return false
    return version === this.negotiated || this.mayBecome(version)
  }

  /** client: whether the server may have switched to `version`, as far as we know. */
  private mayBecome(version: number): version is Version {
    return this.role === "client" && !this.settled && this.supported.includes(version as Version)
  }

  /** server: switches to its most preferred version among those the client offers. RFC 9368 §2.3 */
  choose(offered: VersionInformation | undefined): void {
    if (this.settled) return
    this.settled = true
    const best = this.supported.find((version) => offered?.available.includes(version))
    if (best !== undefined) this.negotiated = best
  }

  /** client: an authentic packet of `version` was received; true when it reveals a switch. */
  learn(version: Version): boolean {
    if (this.role === "server" || version === this.original || version === this.negotiated) return false
    this.negotiated = version
    this.settled = true
    return true
  }

  /** client: the version to restart with after a Version Negotiation packet; undefined for none. */
  restart(listed: ReadonlyArray<number>): Version | undefined {
    const version = this.pick(listed)
    if (version === undefined) return undefined
    this.restarted = true
    this.original = this.negotiated = version
    return version
  }

  /** Checks the peer's `version_information` against what happened. RFC 9368 §4 */
  check(theirs: VersionInformation | undefined): TransportError | undefined {
    return this.role === "server" ? this.checkClient(theirs) : this.checkServer(theirs)
  }

  private checkClient(theirs: VersionInformation | undefined): TransportError | undefined {
    return theirs === undefined || theirs.chosen === this.original
      ? undefined
      : refuse("the client's packets are not of the version it has chosen")
  }

  private checkServer(theirs: VersionInformation | undefined): TransportError | undefined {
    const switched = this.negotiated !== this.original
    if (theirs === undefined) {
      // RFC 9368 §8: a server that only supports version 1 may omit it, and is taken to offer just that
      if (!switched && (!this.restarted || this.pick([Version.v1]) === this.original)) return undefined
      return refuse("the server does not confirm the version it switched to")
    }
    // we offered exactly our supported versions
    if (theirs.chosen !== this.negotiated)
      return refuse("the server's packets are not of the version it has chosen")
    // a genuine Version Negotiation packet would have led to the same choice
    if (this.restarted && this.pick(theirs.available.concat(this.negotiated)) !== this.original)
      return refuse("the server speaks a version that its Version Negotiation packet left out")
    if (this.restarted && theirs.available.length === 0)
      return refuse("the server negotiated versions and now names none")
    return undefined
  }

  private pick(listed: ReadonlyArray<number>): Version | undefined {
    return this.supported.find((version) => listed.includes(version))
  }
}

const refuse = (problem: string): TransportError =>
  new TransportError(TransportErrorCode.VERSION_NEGOTIATION_ERROR, problem)
