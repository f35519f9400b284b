import type { Role } from "../wire/Role.ts"
import type { CryptoSuiteShape } from "../capability/CryptoSuite.ts"
import { PacketKeys } from "../protect/PacketKeys.ts"
import { cipherSuites } from "../protect/CipherSuite.ts"
import { InitialKeys } from "../protect/initialKeys.ts"
import { Level, type Version } from "../wire/PacketType.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import type { IncomingPacket } from "./IncomingPacket.ts"
import { type KeyedConnection, KeyPhases, type KeySlots, openWith } from "./KeyPhases.ts"
import type { PhaseMarks } from "./PhaseMarks.ts"
import type { VersionChoice } from "./VersionChoice.ts"

/**
 * The packet protection keys of one connection, by level and direction. RFC 9001 §4.1.4, §4.9
 */
export class Keyring {
  readonly read: KeySlots = [undefined, undefined, undefined, undefined]
  readonly write: KeySlots = [undefined, undefined, undefined, undefined]
  /** Updates of the 1-RTT keys. */
  readonly phases: KeyPhases
  private earlyReadUntil = Number.POSITIVE_INFINITY
  /** Packets that failed authentication, under any key. §6.6 */
  private failures = 0
  private readonly suite: CryptoSuiteShape
  private readonly role: Role
  private readonly versions: VersionChoice
  /** Until they are discarded. */
  private initial: InitialKeys | undefined = undefined

  constructor(suite: CryptoSuiteShape, role: Role, versions: VersionChoice, connection: KeyedConnection) {
    this.suite = suite
    this.role = role
    this.versions = versions
    this.phases = new KeyPhases(this.read, this.write, connection)
  }

  /** RFC 9001 §5.2: derived from the DCID of the client's first Initial (again after Retry), unless given. */
  installInitial(
    clientDestinationConnectionId: Uint8Array,
    derived = new InitialKeys(this.suite, clientDestinationConnectionId)
  ): void {
    this.initial?.release()
    this.initial = derived
    this.switchVersion()
  }

  /** From here on Initial packets are sealed in the negotiated version, and opened in both. RFC 9369 §4.1 */
  switchVersion(): void {
    if (this.initial === undefined) return
    const { client, server } = this.initial.of(this.versions.negotiated)
    this.read[Level.Initial] = this.role === "client" ? server : client
    this.write[Level.Initial] = this.role === "client" ? client : server
  }

  /** The keys that open Initial packets of `version`; undefined once discarded. */
  readInitial(version: Version): PacketKeys | undefined {
    if (this.initial === undefined) return undefined
    const keys = this.initial.of(version)
    return this.role === "client" ? keys.server : keys.client
  }

  install(level: Level, direction: "read" | "write", cipherSuite: number, secret: Uint8Array): void {
    const cipher = cipherSuites.get(cipherSuite)!
    const keys = PacketKeys.fromSecret(this.suite, cipher, secret, this.versions.ofLevel(level))
    this.drop(direction, level)
    this[direction][level] = keys
    if (level !== Level.OneRtt) return
    if (direction === "read") this.phases.begin()
    // RFC 9001 §5.6 #5, §4.9.3 #S1, RFC 9000 §7.4.1 #8, §17.2.3 #2: 1-RTT keys replace 0-RTT for sending, under the new
    // limits
    else this.drop("write", Level.ZeroRtt)
  }

  discard(level: Level): void {
    if (level === Level.Initial) {
      this.initial?.release() // of other versions too
      this.initial = undefined
    }
    this.drop("read", level)
    this.drop("write", level)
  }

  /** The connection is over: drops all keys. */
  release(): void {
    this.phases.release()
    for (const level of [Level.Initial, Level.ZeroRtt, Level.Handshake, Level.OneRtt]) this.discard(level)
  }

  private drop(direction: "read" | "write", level: Level): void {
    this[direction][level]?.release()
    this[direction][level] = undefined
  }

  /** RFC 9001 §4.9.3 #1: late 0-RTT packets may still be read for a short time. */
  discardEarly(untilMicros: number): void {
    if (this.read[Level.ZeroRtt] !== undefined) this.earlyReadUntil = untilMicros
  }

  /** Opens a packet of any level; undefined when it is authentic. An error closes the connection. */
  open(keys: PacketKeys, packet: IncomingPacket, nowMicros: number): TransportError | "dropped" | undefined {
    if (packet.level !== Level.OneRtt) return openWith(keys, packet) ? undefined : this.onFailure(keys)
    this.expire(nowMicros)
    const outcome = this.phases.open(packet, nowMicros)
    return outcome === "dropped" ? this.onFailure(keys) : outcome
  }

  /** Called before a 1-RTT packet is built; false when the keys are exhausted: the connection must close. §6.6 */
  prepareToSend(marks: PhaseMarks, packetNumber: number, confirmed: boolean, nowMicros: number): boolean {
    this.expire(nowMicros)
    return this.phases.prepareToSend(marks, packetNumber, confirmed, nowMicros)
  }

  /** RFC 9001 §6.5 #S3: drops the 0-RTT keys when their time is up. */
  private expire(nowMicros: number): void {
    if (nowMicros < this.earlyReadUntil) return
    this.drop("read", Level.ZeroRtt)
    this.earlyReadUntil = Number.POSITIVE_INFINITY
  }

  /** Counts a failed packet; returns an error at the AEAD integrity limit. RFC 9001 §6.6 #5 #6 */
  private onFailure({ cipher }: PacketKeys): TransportError | "dropped" {
    return ++this.failures > cipher.integrityLimit
      ? new TransportError(TransportErrorCode.AEAD_LIMIT_REACHED, "too many packets failed authentication")
      : "dropped"
  }
}
