import { TransportErrorCode } from "../wire/TransportError.ts"

/** TLS alerts; on the wire they are CRYPTO_ERROR 0x0100 + alert. RFC 8446 §6.2, RFC 9001 §4.8 */
export const Alert = {
  unexpected_message: 10,
  handshake_failure: 40,
  bad_certificate: 42,
  unsupported_certificate: 43,
  certificate_expired: 45,
  certificate_unknown: 46,
  illegal_parameter: 47,
  unknown_ca: 48,
  access_denied: 49,
  decode_error: 50,
  decrypt_error: 51,
  protocol_version: 70,
  internal_error: 80,
  missing_extension: 109,
  unsupported_extension: 110,
  unrecognized_name: 112,
  certificate_required: 116,
  no_application_protocol: 120
} as const

const names = new Map<number, string>(Object.entries(Alert).map(([name, alert]) => [alert, name]))

/** For people: `48, unknown_ca`, or the number alone if this side does not know it. */
export const alertText = (alert: number): string => [alert, names.get(alert) ?? []].flat().join(", ")

/** Why the handshake failed: the alert for the peer, and a readable reason. */
export class TlsFailure {
  readonly alert: number
  /** The transport error code to close with. */
  readonly code: number
  readonly reason: string

  constructor(alert: number, code: number, reason: string) {
    this.alert = alert
    this.code = code
    this.reason = cut(reason)
  }
}

/** Reasons can contain input from the peer, so their length is limited. */
const MAX_REASON_LENGTH = 200

const cut = (reason: string): string =>
  reason.length <= MAX_REASON_LENGTH ? reason : `${reason.slice(0, MAX_REASON_LENGTH - 1)}…`

export const failure = (alert: number, reason: string): TlsFailure =>
  new TlsFailure(alert, TransportErrorCode.CRYPTO_ERROR + alert, reason)

/** For errors where RFC 9001 requires PROTOCOL_VIOLATION instead of an alert. */
export const violation = (alert: number, reason: string): TlsFailure =>
  new TlsFailure(alert, TransportErrorCode.PROTOCOL_VIOLATION, reason)

export const isFailure = (value: object | undefined): value is TlsFailure => value instanceof TlsFailure
