// Prints "PASSED FAILED" of a result file; a file that is missing or empty counts as one failure.
import { readFileSync } from "node:fs"

const [kind, file] = process.argv.slice(2)
const count = () => {
  const results = JSON.parse(readFileSync(file, "utf8"))
  if (kind === "vitest") {
    // a file that does not even load fails without failing a test
    const broken = results.testResults.filter(
      (f) => f.status === "failed" && f.assertionResults.length === 0
    ).length
    return [results.numPassedTests, results.numFailedTests + broken]
  }
  if (kind === "chaos") return [results.passed, results.failed]
  const of = (result) => results.filter((row) => row.result === result).length
  return [of("pass"), of("fail")]
}

const unsupported = () => {
  const rows = JSON.parse(readFileSync(file, "utf8"))
  return rows.length > 0 && rows.every(({ result }) => result === "unsupported")
}

let line = [0, 1]
try {
  const [passed, failed] = count()
  // a kernel without namespaces has nothing to count, and says so in every row
  if (passed + failed > 0 || (kind === "netns" && unsupported())) line = [passed, failed]
} catch (error) {
  console.error(`${kind}: no results (${error.message})`)
}
console.log(line.join(" "))
