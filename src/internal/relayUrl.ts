/** The addresses of relays, in canonical form so that they can be compared. */

/** In UTF-16 code units; a URL is ASCII once it is canonical. */
export const MAX_RELAY_URL = 255

/** Why text is no URL of a relay. */
export interface BadRelayUrl {
  readonly problem: string
}

/** The name or address in a URL, without the brackets of IPv6. */
export const urlHost = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, "")

/** The URL as WHATWG writes it, or why it is none. */
export const relayUrl = (text: string): string | BadRelayUrl => {
  // parsing is not free, and a name may be longer than it looks
  const url = text.length <= MAX_RELAY_URL && URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || url.href.length > MAX_RELAY_URL)
    return { problem: `a URL of at most ${MAX_RELAY_URL} characters, as https://relay.example.org` }
  if (url.protocol !== "https:" && url.protocol !== "http:")
    return { problem: "an https URL, or an http one for development" }
  if (url.username !== "" || url.password !== "") return { problem: "a URL without user and password" }
  if (url.search !== "" || url.hash !== "") return { problem: "a URL without ? and #" }
  return url.href
}
