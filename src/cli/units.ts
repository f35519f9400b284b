/** Human-readable sizes, rates and times. */
import * as Option from "effect/Option"

export {
  formatBytes,
  formatShort,
  formatBitRate,
  formatRate,
  formatMillis,
  formatCount
} from "../internal/units.ts"

const sizePattern = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?$/i

/** `100MB`, `1.5 GiB`, `64k`, `4096`: bytes, an integer from 0 to 2^53−1. */
export const parseBytes = (text: string): Option.Option<number> => {
  const match = sizePattern.exec(text.trim())
  if (match === null || (match[3] !== "" && match[2] === "")) return Option.none()
  const step = match[2] === "" ? 0 : 1 + "kmgt".indexOf(match[2].toLowerCase())
  const bytes = Math.round(Number(match[1]) * (match[3] === "" ? 1000 : 1024) ** step)
  return Number.isSafeInteger(bytes) ? Option.some(bytes) : Option.none()
}

const ratePattern = /^(\d+(?:\.\d+)?)\s*([kmg]?)(?:bit\/s|bps)?$/i

/** `10M`, `1.5 Gbit/s`, `64000`: bits per second, an integer. */
export const parseBitRate = (text: string): Option.Option<number> => {
  const match = ratePattern.exec(text.trim())
  if (match === null) return Option.none()
  const step = match[2] === "" ? 0 : 1 + "kmg".indexOf(match[2].toLowerCase())
  const rate = Math.round(Number(match[1]) * 1000 ** step)
  return Number.isSafeInteger(rate) ? Option.some(rate) : Option.none()
}
