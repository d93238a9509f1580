# A receiver of dialnote webhooks that needs nothing but Ruby 2.7 or later and
# its web server (gem install webrick):
#
#   DIALNOTE_WEBHOOK_SECRET=whsec_… PORT=3000 ruby receiver.rb
require 'base64'
require 'json'
require 'openssl'

TOLERANCE = 300 # seconds that a request's time may be off
LIMIT = 1 << 20 # bytes that a body may have; ours have less

# X-DialNote-Signature: keyed by the whole secret, whsec_ included, and made of
# the body's bytes.
def verify_dialnote(secret, body, signature)
  same_text(signature, 'sha256=' + OpenSSL::HMAC.hexdigest('SHA256', secret, body))
end

# Standard Webhooks: keyed by the bytes behind whsec_, and made of id, time and
# body. `signatures` may list several, one of which must match. `now` is in Unix
# seconds.
def verify_standard(secret, body, id, timestamp, signatures, now = Time.now.to_i)
  return false unless /\A[0-9]{1,12}\z/.match?(timestamp.to_s) && (now - timestamp.to_i).abs <= TOLERANCE

  key = Base64.strict_decode64(secret.delete_prefix('whsec_'))
  signed = "#{id}.#{timestamp}.".b + body.b
  expected = 'v1,' + Base64.strict_encode64(OpenSSL::HMAC.digest('SHA256', key, signed))
  signatures.to_s.split(' ').any? { |signature| same_text(signature, expected) }
end

# Takes as long whatever is different, so that nobody can guess a signature
# letter by letter.
def same_text(given, expected)
  given.to_s.bytesize == expected.bytesize && OpenSSL.fixed_length_secure_compare(given, expected)
end

# --- The receiver ---

SEEN = {} # in production: a table with the event's id as its key
WAITING = Queue.new

def receive(request, response)
  body = body_of(request) # the bytes, before anything parses them
  if body.nil?
    response.keep_alive = false # what follows is not read
    response.status = 413
    return
  end
  id = request['webhook-id']
  verified = verify_standard(ENV['DIALNOTE_WEBHOOK_SECRET'].to_s, body, id, request['webhook-timestamp'], request['webhook-signature'])
  response.status = verified ? 204 : 401 # answer at once: the work can take its time
  return if !verified || SEEN[id]

  SEEN[id] = true
  WAITING << JSON.parse(body)
end

# Returns nil for a body that is too large.
def body_of(request)
  return nil if request['content-length'].to_i > LIMIT

  body = ''.b
  request.body do |part|
    return nil if (body << part).bytesize > LIMIT
  end
  body
end

def work(event)
  puts "#{event['type']} #{event['id']}"
end

if $PROGRAM_NAME == __FILE__
  abort 'set DIALNOTE_WEBHOOK_SECRET: without it every sender could sign' if ENV['DIALNOTE_WEBHOOK_SECRET'].to_s.empty?
  require 'webrick'
  $stdout.sync = true
  Thread.new { loop { work(WAITING.pop) } }
  server = WEBrick::HTTPServer.new(Port: ENV.fetch('PORT', 3000), BindAddress: '127.0.0.1', AccessLog: [])
  server.mount_proc('/') { |request, response| receive(request, response) }
  trap('TERM') { server.shutdown }
  server.start
end
