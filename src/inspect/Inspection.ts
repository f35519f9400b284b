import { closedText } from "./closeText.ts"
import { versionName } from "../wire/PacketType.ts"
import { addressOf, numberOf, objectOf, textOf, wordsOf } from "./fields.ts"
import { framesText } from "./frameText.ts"
import { PathTrace } from "./PathTrace.ts"
import { type JsonObject, RecordReader } from "./RecordReader.ts"
import { type RowKind, Rows } from "./Rows.ts"

/** Paths beyond these are counted in the totals and nowhere else. */
export const MAX_PATHS = 16

/** Facts of the connection, as far as the log has told them. */
export interface Facts {
  role?: string | undefined
  id?: string | undefined
  /** ISO 8601, of time 0. */
  startedAt?: string | undefined
  remote?: string | undefined
  version?: string | undefined
  alpn?: string | undefined
  cipher?: string | undefined
  state?: string | undefined
  /** Who closed it and why. */
  closed?: string | undefined
}

/** qlog has versions in hexadecimal. */
const versionText = (version: string): string =>
  /^[0-9a-f]{1,8}$/.test(version) ? `QUIC ${versionName(Number.parseInt(version, 16))}` : version

/**
 * What one qlog says: push its text in pieces, then `end`. Holds at most `MAX_ROWS` rows, `MAX_PATHS` paths and
 * `MAX_BUCKETS` of each measurement, however long the log is.
 */
export class Inspection {
  readonly facts: Facts = {}
  readonly rows = new Rows()
  readonly paths = new Map<number, PathTrace>()
  /** Of all paths, the ones that are not kept as well. */
  readonly totals = new PathTrace(-1)
  dropped = 0
  keyUpdates = 0
  /** Of the last event, in milliseconds since the first. */
  endMillis = 0
  /** Records that are no events. */
  private strange = 0
  private hasHeader = false
  private readonly reader = new RecordReader((record) => this.record(record))

  push(text: string): void {
    this.reader.push(text)
  }

  end(): this {
    this.reader.end()
    return this
  }

  /** Whether it begins as the logs of this package do. */
  get isQlog(): boolean {
    return this.hasHeader
  }

  /** Records that could not be read. */
  get malformed(): number {
    return this.reader.malformed + this.strange
  }

  /** Whether the log ends in the middle of a record. */
  get isTruncated(): boolean {
    return this.reader.isTruncated
  }

  private record(record: JsonObject): void {
    if (!this.hasHeader) return this.header(record)
    const time = numberOf(record.time)
    const name = typeof record.name === "string" ? record.name : undefined
    if (time === undefined || name === undefined) return void this.strange++
    // a chart needs times in order; logs have them so
    this.endMillis = Math.max(this.endMillis, time)
    this.event(name.slice(name.indexOf(":") + 1), objectOf(record.data))
  }

  private header({ file_schema, trace }: JsonObject): void {
    const { vantage_point, common_fields } = objectOf(trace)
    const { group_id, reference_time } = objectOf(common_fields)
    if (file_schema !== "urn:ietf:params:qlog:file:sequential") return void this.strange++
    this.hasHeader = true
    this.facts.role = textOf(objectOf(vantage_point).type)
    this.facts.id = textOf(group_id)
    this.facts.startedAt = textOf(objectOf(reference_time).wall_clock_time)
  }

  private event(name: string, data: JsonObject): void {
    switch (name) {
      case "packet_sent":
      case "packet_received":
        return this.packet(name === "packet_sent" ? "sent" : "received", data)
      case "packet_lost":
        return this.packetLost(data)
      case "packet_dropped":
        this.dropped++
        return this.row("dropped", 0, "dropped", wordsOf({ ...objectOf(data.details), ...data }, 4), data)
      case "recovery_metrics_updated":
        this.totals.measured(this.endMillis, data)
        return this.path(data.path_id)?.measured(this.endMillis, data)
      default:
        this.fact(name, data)
        return this.row("event", pathOf(data), name, this.eventText(name, data), data)
    }
  }

  private packet(kind: "sent" | "received", data: JsonObject): void {
    const { packet_type, packet_number, path_id } = objectOf(data.header)
    const bytes = numberOf(objectOf(data.raw).length) ?? 0
    for (const trace of [this.totals, this.path(path_id)]) {
      if (trace === undefined) continue
      trace[kind].packets++
      trace[kind].bytes += bytes
    }
    const probe = data.is_mtu_probe_packet === true ? "MTU probe · " : ""
    const title = `${textOf(packet_type) ?? "?"} ${numberOf(packet_number) ?? "?"}`
    const key = kind === "sent" ? keyOf(data) : undefined
    this.row(kind, pathOf(objectOf(data.header)), title, probe + framesText(data.frames), data, key)
  }

  private packetLost(data: JsonObject): void {
    this.totals.lose(this.endMillis)
    this.path(objectOf(data.header).path_id)?.lose(this.endMillis)
    this.rows.lost(keyOf(data), this.endMillis)
  }

  private row(
    kind: RowKind,
    path: number,
    title: string,
    text: string,
    data: JsonObject,
    key?: string
  ): void {
    const bytes = numberOf(objectOf(data.raw).length) ?? 0
    this.rows.add({ time: this.endMillis, kind, path, title, bytes, text, lostAt: undefined }, key)
  }

  private fact(name: string, data: JsonObject): void {
    const { facts } = this
    switch (name) {
      case "connection_started":
        facts.remote = addressOf(data.remote)
        break
      case "version_information": {
        const version = textOf(data.chosen_version)
        facts.version = version && versionText(version)
        break
      }
      case "alpn_information":
        facts.alpn = textOf(objectOf(data.chosen_alpn).string_value)
        break
      case "parameters_set":
        facts.cipher = textOf(data.tls_cipher) ?? facts.cipher
        break
      case "connection_state_updated":
        facts.state = textOf(data.new)
        break
      case "connection_closed":
        facts.closed = closedText(data)
        break
      case "key_updated":
        // one event for each side's key; the first keys are no updates
        if (data.trigger !== "tls" && data.key_type === "client_1rtt_secret") this.keyUpdates++
        break
      case "tuple_assigned":
        this.assigned(data)
        break
      case "path_state_updated": {
        const path = this.path(data.path_id)
        if (path !== undefined) path.state = textOf(data.new)
      }
    }
  }

  /** Tuples of migrations name no path, and may be those of probes. */
  private assigned({ path_id, tuple_id, tuple_remote }: JsonObject): void {
    if (path_id === undefined && tuple_id !== "") return
    const path = this.path(path_id)
    if (path !== undefined) path.remote = addressOf(tuple_remote)
  }

  private eventText(name: string, data: JsonObject): string {
    if (name === "alpn_information") return this.facts.alpn ?? ""
    return name === "connection_closed" ? closedText(data) : wordsOf(data, 8)
  }

  /** A path without an ID is that of the handshake. */
  private path(id: unknown): PathTrace | undefined {
    const number = id === undefined ? 0 : numberOf(id)
    if (number === undefined) return undefined
    let path = this.paths.get(number)
    if (path === undefined && this.paths.size < MAX_PATHS) {
      path = new PathTrace(number)
      this.paths.set(number, path)
    }
    return path
  }
}

const pathOf = ({ path_id }: JsonObject): number => numberOf(path_id) ?? 0

/** 0-RTT and 1-RTT packets are numbered together. RFC 9000 §12.3 */
const keyOf = ({ header }: JsonObject): string => {
  const { packet_type, packet_number } = objectOf(header)
  const space = packet_type === "0RTT" ? "1RTT" : textOf(packet_type)
  return `${pathOf(objectOf(header))} ${space} ${numberOf(packet_number)}`
}
