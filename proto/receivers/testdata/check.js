// Reads cases from stdin and prints what the receiver's functions say of each.
const { verifyDialNote, verifyStandard } = require(process.argv[2]);
const cases = JSON.parse(require('node:fs').readFileSync(0));
console.log(JSON.stringify(cases.map((c) => {
  const body = Buffer.from(c.body, 'base64');
  return c.standard
    ? verifyStandard(c.secret, body, c.id, c.timestamp, c.signature, c.now)
    : verifyDialNote(c.secret, body, c.signature);
})));
