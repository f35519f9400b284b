/** Validity period of a certificate. RFC 5280 §4.1.2.5 */
import type { DerElement } from "../../../src/internal/der.ts"
import { DerReader } from "../../../src/internal/DerReader.ts"

export interface Validity {
  readonly notBeforeMillis: number
  readonly notAfterMillis: number
}

const utcTime = 0x17
const generalizedTime = 0x18

export const readValidity = (bytes: Uint8Array, validity: DerElement): Validity => {
  const times = new DerReader(bytes, "its validity", validity.contentStart, validity.end)
  const result = { notBeforeMillis: readTime(times), notAfterMillis: readTime(times) }
  times.finish()
  return result
}

/** `YYMMDDHHMMSSZ`, from 1950 to 2049, or `YYYYMMDDHHMMSSZ`; always with seconds and in UTC. */
const readTime = (times: DerReader): number => {
  const { tag, contentStart, end } = times.takeAny()
  const text = Buffer.from(times.bytes.subarray(contentStart, end)).toString("latin1")
  const yearDigits = tag === utcTime ? 2 : tag === generalizedTime ? 4 : times.fail()
  if (text.length !== yearDigits + 11 || !/^\d+Z$/.test(text)) return times.fail()
  const short = Number(text.slice(0, yearDigits))
  const year = tag === generalizedTime ? short : short + (short < 50 ? 2000 : 1900)
  const [month, day, hour, minute, second] = [0, 2, 4, 6, 8].map((at) =>
    Number(text.slice(yearDigits + at, yearDigits + at + 2))
  )
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  date.setUTCHours(hour, minute, second)
  // Date normalises invalid days, hours, minutes and seconds, so compare
  const isReal =
    date.getUTCMonth() === month - 1 && date.getUTCDate() === day && hour < 24 && minute < 60 && second < 60
  return isReal ? date.getTime() : times.fail()
}
