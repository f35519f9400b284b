/** Reads fields of a log, which anybody may have written: what is not of the expected type counts as absent. */
import { printable } from "../internal/printable.ts"
import { isObject, type JsonObject } from "./RecordReader.ts"

const MAX_TEXT = 100

/** Integers and durations of qlog; no count or time is negative. */
export const numberOf = (value: unknown): number | undefined =>
  typeof value === "number" && value >= 0 && value <= Number.MAX_SAFE_INTEGER ? value : undefined

/** Text, and numbers as text, made printable. */
export const textOf = (value: unknown): string | undefined =>
  typeof value === "string"
    ? printable(value, MAX_TEXT)
    : typeof value === "number" || typeof value === "boolean"
      ? String(value)
      : undefined

export const objectOf = (value: unknown): JsonObject => (isObject(value) ? value : {})

/** The address of qlog's PathEndpointInfo. */
export const addressOf = (value: unknown): string | undefined => {
  const { ip_v4, port_v4, ip_v6, port_v6 } = objectOf(value)
  const host = textOf(ip_v4) ?? textOf(ip_v6)
  if (host === undefined) return undefined
  const port = numberOf(port_v4) ?? numberOf(port_v6)
  const literal = ip_v4 === undefined ? `[${host}]` : host
  return port === undefined ? literal : `${literal}:${port}`
}

/** Fields that take one word each, as `name value`, at most `most` of them. An error without a name is its code. */
export const wordsOf = (fields: JsonObject, most: number): string => {
  const words: Array<string> = []
  for (const name of Object.keys(fields)) {
    if (words.length === most) return `${words.join(", ")}, …`
    const text = textOf(fields[name]) ?? addressOf(fields[name])
    if (text === "unknown" && fields.error_code !== undefined) continue
    if (text !== undefined && text !== "")
      words.push(`${printable(name.replaceAll("_", " "), MAX_TEXT)} ${text}`)
  }
  return words.join(", ")
}
