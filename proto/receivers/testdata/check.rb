# Reads cases from stdin and prints what the receiver's functions say of each.
require 'json'
require File.expand_path(ARGV.shift)
verdicts = JSON.parse($stdin.read).map do |c|
  body = c['body'].unpack1('m')
  if c['standard']
    verify_standard(c['secret'], body, c['id'], c['timestamp'], c['signature'], c['now'])
  else
    verify_dialnote(c['secret'], body, c['signature'])
  end
end
puts JSON.generate(verdicts)
