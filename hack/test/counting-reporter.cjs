// A mocha reporter can only be loaded as CommonJS or through a package; this one prints as `spec` does and leaves the
// counts in the file named by VACATE_TEST_COUNTS, because the sum over all suites is printed once at the end.
const { writeFileSync } = require("node:fs");
const Mocha = require("mocha");

module.exports = class CountingReporter extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    runner.once("end", () => {
      const { passes, failures, pending } = this.stats;
      const skipped = [];
      runner.suite.eachTest((test) => {
        if (test.isPending()) skipped.push(test.fullTitle());
      });
      const counts = { passed: passes, failed: failures, skipped: pending, skippedTitles: skipped };
      if (process.env.VACATE_TEST_COUNTS) writeFileSync(process.env.VACATE_TEST_COUNTS, JSON.stringify(counts));
    });
  }
};
