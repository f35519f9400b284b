// Prints "PASSED FAILED" of a result file, and appends what failed to FAILURES; a file that is missing or empty counts
// as one failure.
import { appendFileSync, readFileSync } from "node:fs"

const [kind, file] = process.argv.slice(2)

const firstLine = (text) =>
  String(text ?? "")
    .split("\n", 1)[0]
    .slice(0, 800)

/** A file that does not even load fails without failing a test. */
const isBroken = (test) => test.status === "failed" && test.assertionResults.length === 0

const vitest = ({ numPassedTests, testResults }) => {
  const tests = testResults.flatMap((test) =>
    test.assertionResults.map((result) => ({ ...result, file: test.name }))
  )
  const failures = tests
    .filter(({ status }) => status === "failed")
    .map(({ failureMessages, file, fullName }) => `${file}: ${fullName}: ${firstLine(failureMessages?.[0])}`)
  for (const { message, name } of testResults.filter(isBroken))
    failures.push(`${name}: ${firstLine(message)}`)
  return { passed: numPassedTests, failures }
}

const chaos = ({ failed, failures, passed }) => ({
  passed,
  failures: Array.from({ length: failed }, (_, i) => firstLine(JSON.stringify(failures?.[i] ?? "a seed")))
})

const rows = (results) => ({
  passed: results.filter(({ result }) => result === "pass").length,
  failures: results.filter(({ result }) => result === "fail").map((row) => JSON.stringify(row).slice(0, 300))
})

/** A kernel without namespaces has nothing to count, and says so in every row. */
const hasNothing = (results) => results.length > 0 && results.every(({ result }) => result === "unsupported")

let line = [0, 1]
let failures = [`${kind}: no results`]
try {
  const results = JSON.parse(readFileSync(file, "utf8"))
  const counted = kind === "vitest" ? vitest(results) : kind === "chaos" ? chaos(results) : rows(results)
  if (counted.passed + counted.failures.length > 0 || (kind === "netns" && hasNothing(results))) {
    line = [counted.passed, counted.failures.length]
    failures = counted.failures
  }
} catch (error) {
  failures = [`${kind}: no results (${error.message})`]
}
if (process.env.FAILURES)
  appendFileSync(process.env.FAILURES, failures.map((failure) => `${kind} ${failure}\n`).join(""))
console.log(line.join(" "))
