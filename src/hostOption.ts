/** Hosts in options. */
import * as Schema from "effect/Schema"

/** Other parts of a URL would be taken for part of the name. Two or more colons make an IPv6 address. */
export const Host = Schema.String.check(
  Schema.isPattern(/^(?![^:]*:[^:]*$)[^\s/\\[\]?#@]+$/, {
    expected: "a host name or an IP literal, without a scheme, brackets, port or path"
  })
)
