import type { Role } from "../wire/Role.ts"
import type { Connection } from "../connection/Connection.ts"
import type { CloseReason } from "../connection/lifecycle.ts"
import { cipherSuites } from "../protect/CipherSuite.ts"
import { Level } from "../wire/PacketType.ts"
import type { TransportParameters } from "../wire/TransportParameters.ts"
import { errorFields } from "./errorFields.ts"
import { endpointFields } from "./migrationEvents.ts"
import { QlogPaths } from "./QlogPaths.ts"
import { hexadecimal, hexVersion } from "../internal/hexadecimal.ts"

const levels = [Level.Initial, Level.ZeroRtt, Level.Handshake, Level.OneRtt] as const
const secrets = ["initial_secret", "0rtt_secret", "handshake_secret", "1rtt_secret"] as const

type EmitEvent = (name: string, data: object) => void

/** The last observed state of a connection; `compare` emits changes since as events. */
export class QlogSnapshot {
  private readonly role: Role
  private readonly emit: EmitEvent
  private state: string | undefined = undefined
  private readonly keys = new Set<string>()
  private parameters: TransportParameters | undefined = undefined
  private readonly paths: QlogPaths
  private isNew = true
  private isVersionTold = false
  private isClosed = false

  constructor(role: Role, emit: EmitEvent) {
    this.role = role
    this.emit = (name, data) => emit(`quic:${name}`, data)
    this.paths = new QlogPaths(emit)
  }

  /** Returns whether the connection state has changed. */
  compare(connection: Connection): boolean {
    if (this.isNew) this.begin(connection)
    this.compareKeys(connection)
    const { peerParameters, complete } = connection.handshake
    if (peerParameters !== undefined && this.parameters === undefined) {
      this.parameters = peerParameters
      this.emit("parameters_set", { initiator: "remote", ...parameterFields(peerParameters) })
    }
    if (complete && !this.isVersionTold) this.emitNegotiated(connection)
    this.paths.compare(connection)
    return this.compareState(connection)
  }

  private begin(connection: Connection): void {
    this.isNew = false
    this.emit("connection_started", {
      local: { connection_ids: [hexadecimal(connection.parts.localInitialId)] },
      remote: endpointFields(connection.path.remote)
    })
    const { localParameters } = connection.parts
    if (localParameters !== undefined)
      this.emit("parameters_set", { initiator: "local", ...parameterFields(localParameters) })
  }

  private emitNegotiated({ versions, handshake }: Connection): void {
    this.isVersionTold = true
    const ours = versions.information.available.map(hexVersion)
    const theirs = handshake.peerParameters?.versionInformation?.available.map(hexVersion)
    const isClient = this.role === "client"
    this.emit("version_information", {
      [isClient ? "client_versions" : "server_versions"]: ours,
      ...(theirs !== undefined &&
        theirs.length > 0 && { [isClient ? "server_versions" : "client_versions"]: theirs }),
      chosen_version: hexVersion(versions.negotiated)
    })
    const { alpn, cipherSuite } = handshake.facts!
    this.emit("alpn_information", { chosen_alpn: { string_value: alpn } })
    this.emit("parameters_set", { tls_cipher: cipherSuites.get(cipherSuite)!.name })
  }

  private compareKeys({ keys }: Connection): void {
    for (const level of levels)
      for (const direction of ["read", "write"] as const) {
        const sender = (direction === "write") === (this.role === "client") ? "client" : "server"
        const key_type = `${sender}_${secrets[level]}`
        const has = keys[direction][level] !== undefined
        if (has === this.keys.has(key_type)) continue
        if (has) {
          this.keys.add(key_type)
          this.emit("key_updated", { key_type, trigger: "tls" })
        } else {
          this.keys.delete(key_type)
          this.emit("key_discarded", { key_type, trigger: "tls" })
        }
      }
  }

  private compareState({ lifecycle, handshake, keys }: Connection): boolean {
    const isUnderWay = keys.write[Level.Handshake] !== undefined
    const states = {
      handshaking: isUnderWay ? "handshake_started" : "attempted",
      established: handshake.confirmed ? "handshake_confirmed" : "handshake_complete",
      closing: "closing",
      draining: "draining",
      closed: "closed"
    } as const
    const state = states[lifecycle.state]
    if (lifecycle.closeReason !== undefined && !this.isClosed) {
      this.isClosed = true
      this.emit("connection_closed", closeFields(lifecycle.closeReason))
    }
    if (state === this.state) return false
    const old = this.state
    this.state = state
    this.emit("connection_state_updated", { ...(old !== undefined && { old }), new: state })
    return true
  }
}

const closeFields = ({ origin, application, code, reason }: CloseReason) => {
  const triggers = {
    idleTimeout: "idle_timeout",
    handshakeTimeout: "idle_timeout",
    statelessReset: "stateless_reset",
    versionNegotiation: "version_mismatch",
    local: application ? "application" : "error",
    peer: application ? "application" : "error"
  } as const
  const hasErrorCode = origin === "local" || origin === "peer"
  return {
    initiator: origin === "peer" || origin === "statelessReset" ? "remote" : "local",
    ...(hasErrorCode &&
      errorFields(application ? "application_error" : "connection_error", application, code)),
    ...(hasErrorCode && { reason }),
    trigger: triggers[origin]
  }
}

const parameterFields = (p: TransportParameters) => {
  const id = (name: string, bytes: Uint8Array | undefined) =>
    bytes === undefined ? {} : { [name]: hexadecimal(bytes) }
  return {
    ...id("original_destination_connection_id", p.originalDestinationConnectionId),
    ...id("initial_source_connection_id", p.initialSourceConnectionId),
    ...id("retry_source_connection_id", p.retrySourceConnectionId),
    ...id("stateless_reset_token", p.statelessResetToken),
    disable_active_migration: p.disableActiveMigration,
    max_idle_timeout: p.maxIdleTimeoutMillis,
    max_udp_payload_size: p.maxUdpPayloadSize,
    ack_delay_exponent: p.ackDelayExponent,
    max_ack_delay: p.maxAckDelayMillis,
    active_connection_id_limit: p.activeConnectionIdLimit,
    initial_max_data: p.initialMaxData,
    initial_max_stream_data_bidi_local: p.initialMaxStreamDataBidiLocal,
    initial_max_stream_data_bidi_remote: p.initialMaxStreamDataBidiRemote,
    initial_max_stream_data_uni: p.initialMaxStreamDataUni,
    initial_max_streams_bidi: p.initialMaxStreamsBidi,
    initial_max_streams_uni: p.initialMaxStreamsUni,
    max_datagram_frame_size: p.maxDatagramFrameSize,
    grease_quic_bit: p.greaseQuicBit,
    reset_stream_at: p.resetStreamAt
  }
}
