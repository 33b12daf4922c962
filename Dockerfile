# The whole of labelkit in one image; docs/install.md says how to use it.
#
#   docker build --tag labelkit .                     about 5 GB
#   docker run --rm labelkit                          make demo
#   docker run --rm --volume "$PWD:/data" labelkit labelkit inspect raw/

FROM python:3.12-slim-bookworm

# The libraries are those that scripts/setup.sh would install itself. Here they are a layer of their own, which stays when
# the code changes.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        make libegl1 libgl1 libusb-1.0-0 libgomp1 libxcb1 libglib2.0-0 libfreenect0.5 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /labelkit
COPY . .
RUN make setup && rm -rf /root/.cache
ENV PATH="/labelkit/.venv/bin:$PATH"

# Recordings and what is made from them are mounted here.
WORKDIR /data
CMD ["make", "--directory", "/labelkit", "demo"]
