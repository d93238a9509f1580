# In place of golang: this machine's Go.
FROM localhost/images-check/debian
COPY go /usr/local/go
COPY ca-certificates.crt /etc/ssl/certs/
ENV GOPATH=/go GOTOOLCHAIN=local PATH=/go/bin:/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
WORKDIR /go
