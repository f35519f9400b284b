/** Why a connection was closed, as an event and a frame say it. */
import { numberOf, textOf } from "./fields.ts"
import type { JsonObject } from "./RecordReader.ts"

/** Code 0 is no error: for the transport by RFC 9000 §20.1, for applications by the default of `close`. */
const errorText = (space: string, name: unknown, code: number | undefined): string => {
  if (code === 0 || name === "no_error") return "without error"
  const text = name === "unknown" || name === undefined ? code : textOf(name)
  return `${space} error ${text ?? "unknown"}`
}

const withReason = (text: string, reason: unknown): string => {
  const said = textOf(reason)
  return said === undefined || said === "" ? text : `${text}: ${said}`
}

/** Of a CONNECTION_CLOSE frame. */
export const closeFrameText = ({ error_space, error, error_code, reason }: JsonObject): string =>
  withReason(errorText(textOf(error_space) ?? "unknown", error, numberOf(error_code)), reason)

/** Of `connection_closed`: what closed it where that was no frame, such as an idle timeout. */
export const closedText = (data: JsonObject): string => {
  const { initiator, trigger, application_error, connection_error, error_code, reason } = data
  const code = numberOf(error_code)
  const why =
    application_error !== undefined
      ? errorText("application", application_error, code)
      : connection_error !== undefined
        ? errorText("transport", connection_error, code)
        : (textOf(trigger) ?? "for an unknown reason").replaceAll("_", " ")
  return withReason(`${initiator === "remote" ? "by the peer" : "by this side"}, ${why}`, reason)
}
