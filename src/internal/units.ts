/** Sizes, rates and times as people read them. */
const steps = ["", "k", "M", "G", "T", "P"]

/** Three significant digits and powers of 1000. */
const scaled = (value: number, unit: string): string => {
  let step = 0
  while (value >= 999.5 && step < steps.length - 1) {
    value /= 1000
    step++
  }
  const digits = step === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
  return `${value.toFixed(digits)} ${steps[step]}${unit}`
}

/** Three significant digits and powers of 1000: `105 MB`. */
export const formatBytes = (bytes: number): string => scaled(bytes, "B")

/** Without a unit, in at most six characters: `105 M`. */
export const formatShort = (value: number): string => scaled(value, "").trimEnd()

export const formatBitRate = (bitsPerSecond: number): string => scaled(bitsPerSecond, "bit/s")

export const formatRate = (bytes: number, millis: number): string =>
  millis <= 0 ? "–" : formatBitRate((bytes * 8000) / millis)

export const formatMillis = (millis: number): string => {
  if (millis < 1) return `${(millis * 1000).toFixed(0)} µs`
  if (millis < 9.95) return `${millis.toFixed(2)} ms`
  if (millis < 999.5) return `${millis.toFixed(0)} ms`
  if (millis < 99_950) return `${(millis / 1000).toFixed(1)} s`
  const seconds = Math.round(millis / 1000)
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

export const formatCount = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`
